import assert from "node:assert/strict";
import { test } from "node:test";

import { uniforms } from "../src/drawing/philox.js";
import { bytesOf, vectors } from "./models.js";
import { CHARLM } from "../src/file/charlm_section.js";
import { readModelFile } from "../src/file/model_file.js";

test("numbers are those of numpy's Philox, also for seeds above 2^53", () => {
  for (const { seed, numbers } of vectors.philox) {
    assert.deepEqual(Array.from(uniforms(BigInt(seed), 0, numbers.length)), numbers, seed);
  }
});

test("any part of a sequence is the same part", () => {
  const { seed, numbers } = vectors.philox[1];
  for (let start = 0; start < 20; start += 1) {
    const found = Array.from(uniforms(BigInt(seed), start, 13));
    assert.deepEqual(found, numbers.slice(start, start + 13), `from ${start}`);
  }
});

test("the recorded run of a file has the numbers of seed 1", () => {
  const { golden } = readModelFile(bytesOf("tests/data/charlm.onnx"), "charlm", CHARLM).metadata;
  uniforms(1n, 0, golden.uniform.length).forEach((each, i) => {
    assert.ok(Math.abs(each - golden.uniform[i]) < 1e-6);
  });
});
