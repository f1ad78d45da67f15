/** The package in a worker, and on other providers of onnxruntime-web. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { launch, MISSING, program } from "./browser.js";
import { vectors } from "./models.js";
import { serve } from "./serve.js";

const TINY = "tests/data/charlm.onnx";
const EIGHT_BIT = "exported/charlm.int8.onnx";
// A software adapter, so that WebGPU can be tried without a GPU.
const SOFTWARE = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];

describe("other hosts", { timeout: 300_000, skip: program ? false : MISSING }, () => {
  let browser;
  let server;
  let page;
  before(async () => {
    browser = await launch(...SOFTWARE);
    server = await serve();
    page = await browser.newPage();
    await page.goto(`${server.address}/examples/browser/style.css`);
  });
  after(async () => {
    await browser.close();
    server.close();
  });

  /** Load a model with a module of onnxruntime-web, and write. Return the text, or the error. */
  const written = (entry, providers, name, length) => {
    const { prompt, options } = vectors.charlm[name].texts[0];
    return page.evaluate(
      async ({ entry, providers, name, prompt, length, seed }) => {
        const ort = await import(`/js/node_modules/onnxruntime-web/dist/${entry}`);
        const { CharLM } = await import("/js/src/index.js");
        const sessionOptions = { executionProviders: providers };
        try {
          const lm = await CharLM.load(`/${name}`, { ort, sessionOptions });
          return { text: await lm.generate(prompt, { length, seed: BigInt(seed) }) };
        } catch (error) {
          return { error: String(error) };
        }
      },
      { entry, providers, name, prompt, length, seed: options.seed },
    );
  };

  test("it works in a worker", async () => {
    const { prompt, options, text } = vectors.charlm[TINY].texts[0];
    const found = await page.evaluate(
      ({ address, name, prompt, length }) =>
        new Promise((resolve, reject) => {
          const source = `
            import * as ort from "${address}/js/node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs";
            import { CharLM } from "${address}/js/src/index.js";
            onmessage = async ({ data }) => {
              const lm = await CharLM.load("${address}/${name}", { ort });
              let text = "";
              for await (const piece of lm.stream(data.prompt, data.options)) text += piece;
              postMessage(text);
            };
            postMessage("ready");`;
          const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
          const worker = new Worker(url, { type: "module" });
          worker.onerror = (event) => reject(new Error(event.message));
          worker.onmessage = ({ data }) => {
            if (data !== "ready") resolve(data);
            else worker.postMessage({ prompt, options: { length, seed: 1 } });
          };
        }),
      { address: server.address, name: TINY, prompt, length: options.length },
    );
    assert.equal(found, text);
  });

  for (const entry of ["ort.webgpu.bundle.min.mjs", "ort.bundle.min.mjs"]) {
    test(`${entry} with webgpu is right, or refused at load`, async (context) => {
      const adapter = await page.evaluate(async () => Boolean(await navigator.gpu?.requestAdapter()));
      if (!adapter) return context.skip("no WebGPU adapter here");
      for (const [name, length] of [[TINY, 20], [EIGHT_BIT, 3]]) {
        const { text, error } = await written(entry, ["webgpu"], name, length);
        context.diagnostic(`${name}: ${error ?? "the same text"}`);
        if (error) assert.match(error, /DeviceError: .*other logits than the file's recorded run/);
        else assert.equal(text, vectors.charlm[name].texts[0].text.slice(0, length));
      }
    });
  }
});
