/**
 * Does a session option make wasm faster? Microseconds a character of exported/charlm.onnx, one
 * stream, in node with onnxruntime-web/wasm; the options in turns. Best and median of the rounds:
 *
 *     node bench_options.mjs      # writes benchmarks/results/browser_options.json
 */

import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";

import * as ort from "onnxruntime-web/wasm";

import { CharLM } from "./src/index.js";

const ROUNDS = 25;
const LENGTH = 100;
const OPTIONS = {
  defaults: {},
  "no memory pattern": { enableMemPattern: false },
  "no arena": { enableCpuMemArena: false },
  "extended optimization": { graphOptimizationLevel: "extended" },
  "layout optimization": { graphOptimizationLevel: "layout" },
  "denormal as zero": { extra: { session: { set_denormal_as_zero: "1" } } },
};

const bytes = readFileSync(new URL("../exported/charlm.onnx", import.meta.url));
/** @type {Record<string, {model: CharLM, found: number[]}>} */
const arms = {};
for (const [name, sessionOptions] of Object.entries(OPTIONS)) {
  const model = await CharLM.load(bytes, { ort, sessionOptions });
  await model.generate("a", { length: LENGTH, seed: 0 });
  arms[name] = { model, found: [] };
}
for (let round = 0; round < ROUNDS; round += 1) {
  for (const { model, found } of Object.values(arms)) {
    const started = performance.now();
    await model.generate("a", { length: LENGTH, seed: round });
    found.push(((performance.now() - started) * 1000) / LENGTH);
  }
}
const micros = Object.fromEntries(
  Object.entries(arms).map(([name, { found }]) => {
    found.sort((a, b) => a - b);
    return [name, { best: Math.round(found[0]), median: Math.round(found[ROUNDS >> 1]) }];
  }),
);
const result = { command: "node bench_options.mjs", cpu: cpus()[0].model, rounds: ROUNDS, micros };
const path = new URL("../benchmarks/results/browser_options.json", import.meta.url);
writeFileSync(path, `${JSON.stringify(result, null, 1)}\n`);
console.log(result);
