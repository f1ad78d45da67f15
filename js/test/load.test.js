import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import {
  CharLM,
  Classifier,
  DeviceError,
  load,
  ModelFileError,
  OptionError,
  RnnInferError,
  RuntimeMissingError,
  WrongKindError,
} from "../src/index.js";
import { bytesOf, model, ort, ROOT, vectors } from "./models.js";

const NAME = "tests/data/charlm.onnx";
const bytes = bytesOf(NAME);
const text = vectors.charlm[NAME].texts[0].text;
const draws = async (lm) => assert.equal(await lm.generate("abc", { length: 70, seed: 1 }), text);

test("the vectors belong to the files here", async () => {
  for (const [name, wanted] of Object.entries(vectors.files)) {
    const digest = await crypto.subtle.digest("SHA-256", bytesOf(name));
    const found = Buffer.from(digest).toString("hex");
    assert.equal(found, wanted, `${name} changed; run python js/test/make_vectors.py`);
  }
});

test("a model is loaded from bytes, a Blob, a path and an address", async () => {
  const path = fileURLToPath(new URL(NAME, ROOT));
  const buffer = bytes.slice().buffer;
  for (const source of [bytes, buffer, new DataView(buffer), new Blob([bytes]), path, new URL(NAME, ROOT)]) {
    await draws(await CharLM.load(source, { ort }));
  }
  const server = createServer((request, response) => {
    if (request.url !== "/m.onnx") response.writeHead(404);
    response.end(bytes);
  }).listen(0);
  const address = `http://127.0.0.1:${server.address().port}`;
  await draws(await CharLM.load(`${address}/m.onnx`, { ort }));
  await assert.rejects(CharLM.load(`${address}/no.onnx`, { ort }), /cannot be downloaded \(404 Not Found\); check/);
  server.close();
  await assert.rejects(CharLM.load("http://127.0.0.1:1/m.onnx", { ort }), ModelFileError);
  await assert.rejects(CharLM.load("/no/such.onnx", { ort }), /cannot be read \(ENOENT\); check the path/);
  await assert.rejects(CharLM.load(7, { ort }), OptionError);
});

test("the runtime may be the default export, and must be one", async () => {
  await draws(await CharLM.load(bytes, { ort: { default: ort } }));
  await assert.rejects(CharLM.load(bytes, { ort: {} }), RuntimeMissingError);
  await assert.rejects(CharLM.load(bytes), /no onnxruntime was given; install/);
  await assert.rejects(CharLM.load(bytes, { orr: ort }), /there is no option 'orr'/);
});

test("a pinned hash is checked", async () => {
  const sha256 = vectors.files[NAME];
  await draws(await CharLM.load(bytes, { ort, sha256: sha256.toUpperCase() }));
  await assert.rejects(CharLM.load(bytes, { ort, sha256: "00" }), /sha256 is .*, not 00 as required/);
});

test("a model of the other kind is refused", async () => {
  const other = bytesOf("tests/data/classifier.onnx");
  await assert.rejects(CharLM.load(other, { ort }), WrongKindError);
  await assert.rejects(Classifier.load(bytes, { ort }), /is a character model.*use CharLM\.load/);
  assert.ok((await load(other, { ort })) instanceof Classifier);
  assert.ok((await model(NAME)) instanceof CharLM);
});

/** An onnxruntime whose results are changed. */
const changed = (change) => ({
  Tensor: ort.Tensor,
  InferenceSession: {
    create: async (...given) => {
      const session = await ort.InferenceSession.create(...given);
      return { run: async (...feeds) => change(await session.run(...feeds)) };
    },
  },
});

test("a host that computes other numbers is refused at load", async () => {
  for (const shift of [0.01, NaN]) {
    const wrong = changed((found) => {
      if (found.logits) found.logits.data[found.logits.data.length - 1] += shift;
      return found;
    });
    await assert.rejects(CharLM.load(bytes, { ort: wrong }), (error) => {
      assert.ok(error instanceof DeviceError);
      assert.match(error.message, /other logits than the file's recorded run.*use the wasm or cpu/);
      return true;
    });
  }
});

test("a host that cannot run the file is refused at load", async () => {
  const broken = changed(() => {
    throw new Error("Cast requires f16 but the device does not support it\nsecond line");
  });
  await assert.rejects(CharLM.load(bytes, { ort: broken }), /Cast requires f16.*wasm or cpu/);
  const fails = (message) => ({
    Tensor: ort.Tensor,
    InferenceSession: { create: () => Promise.reject(new Error(message)) },
  });
  const simd = "no available backend found. ERR: [wasm] Error: WebAssembly SIMD is not supported";
  await assert.rejects(CharLM.load(bytes, { ort: fails(simd) }), /use a browser with WebAssembly SIMD/);
  await assert.rejects(CharLM.load(bytes, { ort: fails("INVALID_GRAPH") }), ModelFileError);
});

test("a damaged file ends in an error of this package", async () => {
  for (let at = 5; at < bytes.length; at += 1511) {
    const bad = bytes.slice();
    bad[at] ^= 0x55;
    await load(bad, { ort }).catch((error) => assert.ok(error instanceof RnnInferError, String(error)));
  }
});

test("an error has the name of its class", () => {
  assert.equal(String(new WrongKindError("what")), "WrongKindError: what");
});
