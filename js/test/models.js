/** What several tests share: the runtime, the files, the vectors, and models that open once. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import * as ort from "onnxruntime-web/wasm";

import { UnknownCharacterError } from "../src/errors.js";
import { parse } from "../src/file/protobuf.js";
import { load } from "../src/index.js";

export { ort };
export const ROOT = new URL("../../", import.meta.url);
export const vectors = JSON.parse(readFileSync(new URL("vectors.json", import.meta.url), "utf8"));

/** The bytes of a file of the repository. */
export const bytesOf = (name) => new Uint8Array(readFileSync(new URL(name, ROOT)));

const models = new Map();

/** A model of the repository. It opens once in a process. */
export function model(name) {
  if (!models.has(name)) models.set(name, load(new URL(name, ROOT), { ort }));
  return models.get(name);
}

/** The options of a vector. JSON has no infinity, and its numbers are not exact: seeds are texts. */
export function optionsOf({ seed, logitBias, ...options }) {
  if (seed !== undefined) options.seed = BigInt(seed);
  if (logitBias) options.logitBias = Object.fromEntries(logitBias.map(([char, value]) => [char, value ?? -Infinity]));
  return options;
}

/** The bytes of a protobuf field: a varint, or bytes with their length. */
export function field(number, value) {
  if (typeof value === "number") return Uint8Array.of(number * 8, ...varint(value));
  const bytes = typeof value === "string" ? new TextEncoder().encode(value) : value;
  return concat(Uint8Array.from(varint(number * 8 + 2)), Uint8Array.from(varint(bytes.length)), bytes);
}

function varint(value) {
  const bytes = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  return [...bytes, value];
}

/** The fields of a message as pairs of number and value. */
export const fields = (bytes) =>
  Object.entries(parse(bytes)).flatMap(([number, values]) => values.map((value) => [Number(number), value]));

/** A model file with other metadata entries [key, value]. */
export function withProperties(file, entries) {
  const kept = fields(file).filter(([number]) => number !== 14);
  const own = entries.map(([key, value]) => field(14, concat(field(1, key), field(2, value))));
  return concat(...kept.map(([number, value]) => field(number, value)), ...own);
}

/** A model file with another metadata document. */
export const withMetadata = (file, text) => withProperties(file, [["rnn_model", text]]);

/** Draw as in a vector, and compare the text or the error with Python's. */
export async function sameText(lm, { prompt, options, text, stopped, error }) {
  if (error) {
    await assert.rejects(
      lm.generate(prompt, optionsOf(options)),
      (found) => found instanceof UnknownCharacterError && found.message.endsWith(error),
    );
    return;
  }
  const [found] = await lm.complete([prompt], optionsOf(options));
  assert.deepEqual([found.text, found.stopped], [text, stopped], JSON.stringify([prompt, options]));
}

/** A model of the vectors: a file with a changed metadata document. */
export const variant = ({ file, metadata }) => load(withMetadata(bytesOf(file), metadata), { ort });

export function concat(...parts) {
  const all = new Uint8Array(parts.reduce((sum, each) => sum + each.length, 0));
  let at = 0;
  for (const each of parts) {
    all.set(each, at);
    at += each.length;
  }
  return all;
}
