/**
 * Measure generation in Chromium against Python's onnxruntime on one thread, in turns, and write
 * benchmarks/results/browser.json: seconds per character of each round, and ratios within a round.
 *
 *     npm run bench                # needs chromium, and a Python that has rnn_infer (PYTHON)
 */

import { spawn } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants } from "node:zlib";

import { bundle } from "./size.mjs";
import { launch, program, MISSING } from "./test/browser.js";
import { serve } from "./test/serve.js";

const ROOT = new URL("../", import.meta.url);
const ROUNDS = 15;
/** Rounds before the first that counts: a browser compiles the busy functions again meanwhile. */
const WARM_UP = 24;
const CHARACTERS = 200;
const MODELS = { float32: "exported/charlm.onnx", int8: "exported/charlm.int8.onnx" };
const NATIVE = "python, 1 thread";
const WASM = "chromium wasm, 1 thread";
const SHORT = "chromium wasm, 1 thread, 24 characters a call";
const TWO = "chromium wasm, 2 threads";
const PYTHON = process.env.PYTHON ?? fileURLToPath(new URL(".venv/bin/python", ROOT));

/** Texts whose agreement with Python is counted, and the characters of each. */
const TEXTS = 20;
const LENGTH = 300;

/** Runs in Python: "time PATH COUNT" gives the seconds of a character, "text PATH COUNT" texts. */
const PEER = `
import json, sys, time
import rnn_infer
from benchmarks.harness import machine
models = {}
print(json.dumps(machine()), flush=True)
for line in sys.stdin:
    what, path, count = line.split()
    if path not in models:
        lm = rnn_infer.CharLM.load(path, device="cpu", threads=1)
        models[path] = lm, lm.session(seed=1)
    lm, session = models[path]
    begin = time.perf_counter()
    if what == "text":
        texts = lm.generate(["a"] * int(count), length=${LENGTH}, seed=100)
        print(json.dumps(texts), flush=True)
        continue
    session.generate(int(count))
    print((time.perf_counter() - begin) / int(count), flush=True)
`;

/** Start the Python peer. Return its machine, and a work function for each model. */
async function python() {
  const child = spawn(PYTHON, ["-c", PEER], { cwd: ROOT, stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const order = async (...words) => {
    child.stdin.write(`${words.join(" ")}\n`);
    return JSON.parse((await lines.next()).value);
  };
  const ask = (path, count) => order("time", path, count);
  const texts = (path) => order("text", path, TEXTS);
  const machine = JSON.parse((await lines.next()).value);
  return { machine, ask, texts, close: () => child.stdin.end() };
}

/** Open a page that measures. `entry` is the module of onnxruntime-web. */
async function page(browser, entry, { threads = 1 } = {}) {
  const server = await serve({ isolated: threads > 1 });
  const tab = await browser.newPage();
  await tab.goto(`${server.address}/examples/browser/style.css`);
  await tab.evaluate(
    async ({ entry, threads }) => {
      const ort = await import(`/js/node_modules/onnxruntime-web/dist/${entry}`);
      const { CharLM } = await import("/js/src/index.js");
      ort.env.wasm.numThreads = threads;
      const sessionOptions = { intraOpNumThreads: threads };
      const models = {};
      const sessions = {};
      const model = async (path) =>
        (models[path] ??= await CharLM.load(`/${path}`, { ort, sessionOptions }));
      window.texts = async (path, count, length) =>
        (await model(path)).generate(Array(count).fill("a"), { length, seed: 100 });
      window.ask = async (path, count, chunk) => {
        sessions[path] ??= (await model(path)).session({ seed: 1 });
        const begin = performance.now();
        await sessions[path].generate(count, { chunk });
        return (performance.now() - begin) / 1000 / count;
      };
    },
    { entry, threads },
  );
  const ask = (path, count, chunk = 256) =>
    tab.evaluate(([path, count, chunk]) => window.ask(path, count, chunk), [path, count, chunk]);
  const texts = (path) =>
    tab.evaluate(([path, count, length]) => window.texts(path, count, length), [path, TEXTS, LENGTH]);
  return { ask, texts, close: server.close };
}

/** Milliseconds from a cold browser's navigation to the first text, of the example page. */
async function firstText() {
  const samples = [];
  for (let round = 0; round < 5; round += 1) {
    const browser = await launch();
    const server = await serve();
    const tab = await browser.newPage();
    await tab.goto(`${server.address}/examples/browser/index.html`);
    await tab.click("#generate");
    await tab.waitForFunction(() => document.querySelector("#text").textContent);
    samples.push(Math.round(await tab.evaluate(() => performance.now())));
    await browser.close();
    server.close();
  }
  return samples;
}

const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};
const rounded = (value) => Number(value.toPrecision(4));

/** Let the workers work in turns. Return the samples of each. */
async function race(name, workers) {
  for (const work of Object.values(workers)) for (let i = 0; i < WARM_UP; i += 1) await work();
  const samples = Object.fromEntries(Object.keys(workers).map((each) => [each, []]));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [each, work] of Object.entries(workers)) samples[each].push(rounded(await work()));
  }
  for (const [each, values] of Object.entries(samples)) {
    console.log(`${name}, ${each}: ${(1e6 * median(values)).toFixed(0)} µs a character`);
  }
  return { name, unit: "character", samples };
}

/** The median of the ratios within the rounds. */
const ratio = (one, other) => rounded(median(one.map((value, round) => value / other[round])));

/** Bytes of what a page loads, as they are and with brotli. */
async function downloads() {
  const of = (bytes) => ({
    bytes: bytes.length,
    brotli: brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }).length,
  });
  const read = (path) => of(readFileSync(new URL(path, ROOT)));
  const folder = "js/node_modules/onnxruntime-web/dist/";
  const wasm = readdirSync(new URL(folder, ROOT)).filter((name) => name.endsWith(".wasm"));
  return {
    "rnn-infer, bundled and minified": of(Buffer.from(await bundle())),
    ...Object.fromEntries(wasm.map((name) => [name, read(folder + name)])),
    ...Object.fromEntries(Object.values(MODELS).map((path) => [path, read(path)])),
  };
}

if (!program) throw new Error(MISSING);
const peer = await python();
const browser = await launch();
const single = await page(browser, "ort.wasm.bundle.min.mjs");
const races = [];
for (const [name, path] of Object.entries(MODELS)) {
  races.push(
    await race(name, {
      [NATIVE]: () => peer.ask(path, CHARACTERS),
      [WASM]: () => single.ask(path, CHARACTERS),
      [SHORT]: () => single.ask(path, CHARACTERS, 24),
    }),
  );
}
const same = { texts: TEXTS, characters: LENGTH };
for (const [name, path] of Object.entries(MODELS)) {
  const [wanted, found] = [await peer.texts(path), await single.texts(path)];
  same[name] = wanted.filter((text, i) => text === found[i]).length;
}
// Apart from the others, because the second thread keeps a core busy for a while after its work.
const threaded = await page(browser, "ort.wasm.bundle.min.mjs", { threads: 2 });
for (const [name, path] of Object.entries(MODELS)) {
  races.push(
    await race(`${name}, threads`, {
      [WASM]: () => single.ask(path, CHARACTERS),
      [TWO]: () => threaded.ask(path, CHARACTERS),
    }),
  );
}
const version = browser.version();
peer.close();
await browser.close();
single.close();
threaded.close();
const [float32, int8, float32Threads, int8Threads] = races.map(({ samples }) => samples);
const packages = ["onnxruntime-web", "playwright-core"].map((name) => [
  name,
  JSON.parse(readFileSync(new URL(`js/node_modules/${name}/package.json`, ROOT))).version,
]);
const results = {
  command: "cd js && npm run bench",
  machine: peer.machine,
  browser: { chromium: version, node: process.version, ...Object.fromEntries(packages) },
  characters_a_call: CHARACTERS,
  ratios: {
    "wasm ÷ python, float32": ratio(float32[WASM], float32[NATIVE]),
    "wasm ÷ python, int8": ratio(int8[WASM], int8[NATIVE]),
    "wasm int8 ÷ wasm float32": rounded(median(int8[WASM]) / median(float32[WASM])),
    "python int8 ÷ python float32": rounded(median(int8[NATIVE]) / median(float32[NATIVE])),
    "2 threads ÷ 1 thread, float32": ratio(float32Threads[TWO], float32Threads[WASM]),
    "2 threads ÷ 1 thread, int8": ratio(int8Threads[TWO], int8Threads[WASM]),
    "24 characters a call ÷ one call, float32": ratio(float32[SHORT], float32[WASM]),
  },
  ratios_of_the_fastest: {
    "wasm ÷ python, float32": rounded(Math.min(...float32[WASM]) / Math.min(...float32[NATIVE])),
    "wasm ÷ python, int8": rounded(Math.min(...int8[WASM]) / Math.min(...int8[NATIVE])),
    "wasm int8 ÷ wasm float32": rounded(Math.min(...int8[WASM]) / Math.min(...float32[WASM])),
  },
  same_texts_as_python: same,
  first_text_ms: await firstText(),
  downloads: await downloads(),
  races,
};
console.log(results.ratios, results.ratios_of_the_fastest, same, results.first_text_ms);
const target = new URL("benchmarks/results/browser.json", ROOT);
writeFileSync(target, `${JSON.stringify(results, null, 1)}\n`);
