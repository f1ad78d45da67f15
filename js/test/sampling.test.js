import assert from "node:assert/strict";
import { test } from "node:test";

import { OptionError } from "../src/errors.js";
import { checkSampling, draw } from "../src/drawing/sampling.js";
import { checkSeed, seedsFor } from "../src/drawing/seeds.js";

const plain = { temperature: 1, topK: 0, topP: 1 };
const logits = Float32Array.of(0, 1, 3, 3, -2);

test("a draw is the inverse of the cumulative distribution", () => {
  assert.equal(draw(logits, 0, plain), 0);
  assert.equal(draw(logits, 0.05, plain), 1);
  assert.equal(draw(logits, 0.3, plain), 2);
  assert.equal(draw(logits, 0.99999994, plain), 4);
});

test("temperature 0 takes the first of the most likely tokens", () => {
  assert.equal(draw(logits, 0.9, { ...plain, temperature: 0 }), 2);
});

test("top-k and top-p keep tokens tied with the last kept one", () => {
  for (const options of [{ topK: 1 }, { topP: 0.1 }]) {
    assert.equal(draw(logits, 0.01, { ...plain, ...options }), 2);
    assert.equal(draw(logits, 0.99, { ...plain, ...options }), 3);
  }
});

test("logits that are not numbers give token 0", () => {
  for (const bad of [[NaN, 1], [1, NaN], [1, Infinity], [-Infinity, -Infinity]]) {
    for (const topK of [0, 1]) assert.equal(draw(Float32Array.from(bad), 0.5, { ...plain, topK }), 0);
  }
});

test("options out of range are refused", () => {
  for (const bad of [{ temperature: -1 }, { temperature: NaN }, { topK: 1.5 }, { topP: 0 }, { topP: 2 }]) {
    assert.throws(() => checkSampling({ ...plain, ...bad }), OptionError);
  }
});

test("a seed is an integer from 0 to 2^64 - 1", () => {
  assert.equal(checkSeed(2 ** 53 - 1), 9007199254740991n);
  assert.equal(checkSeed(2n ** 64n - 1n), 2n ** 64n - 1n);
  for (const bad of [-1, 1.5, 2 ** 53, 2n ** 64n, "1", NaN]) {
    assert.throws(() => checkSeed(bad), OptionError, String(bad));
  }
});

test("one seed gives stream i the seed + i, and a list one seed to each", () => {
  assert.deepEqual(seedsFor(5, 3), [5n, 6n, 7n]);
  assert.deepEqual(seedsFor([9, 9n], 2), [9n, 9n]);
  assert.throws(() => seedsFor([1], 2), /give one seed a stream: 2, got 1/);
  assert.equal(seedsFor(null, 2)[1] - seedsFor(null, 2)[0] === 1n, false);
});
