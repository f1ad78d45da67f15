/** What several tests share: the runtime, the files, the vectors, and models that open once. */

import { readFileSync } from "node:fs";

import * as ort from "onnxruntime-web/wasm";

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

/** The options of a vector. Seeds are written as texts, because JSON numbers are not exact. */
export const optionsOf = ({ seed, ...options }) =>
  seed === undefined ? options : { ...options, seed: BigInt(seed) };

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

export function concat(...parts) {
  const all = new Uint8Array(parts.reduce((sum, each) => sum + each.length, 0));
  let at = 0;
  for (const each of parts) {
    all.set(each, at);
    at += each.length;
  }
  return all;
}
