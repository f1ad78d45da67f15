import assert from "node:assert/strict";
import { test } from "node:test";

import { OptionError, UnknownCharacterError } from "../src/errors.js";
import { Vocabulary } from "../src/text.js";

const rules = { normalization: "NFC", newlines: "lf", unknown: null };
const make = (vocabulary, text = {}) => new Vocabulary({ vocabulary, charlm: { start: "a" }, text: { ...rules, ...text } });

test("one token is one code point", () => {
  const vocabulary = make(["\u{1f600}", "a"]);
  assert.deepEqual(vocabulary.encode("a\u{1f600}"), [1, 0]);
  assert.equal(vocabulary.decode([0, 1]), "\u{1f600}a");
});

test("line ends and normalisation follow the file", () => {
  const vocabulary = make(["\n", "é"]);
  assert.deepEqual(vocabulary.encode("\r\ne\u0301\r\r"), [0, 1, 0, 0]);
  assert.throws(() => make(["\n"], { newlines: "keep" }).encode("\r"), UnknownCharacterError);
});

test("an unknown character is named with its code point and position", () => {
  assert.throws(() => make(["a"]).encode("a\u{1f600}"), /"😀" \(U\+1F600\) at position 1 is not in/);
  assert.throws(() => make(["a"]).encode("\ud800"), UnknownCharacterError);
  assert.throws(() => make(["a"]).encode("a", "wrong"), OptionError);
  assert.throws(() => make(["a"]).encode(7), OptionError);
});

test("unknown characters become the file's token, or go away, or are folded", () => {
  assert.deepEqual(make(["a", "b"], { unknown: 1 }).encode("a?"), [0, 1]);
  assert.throws(() => make(["a", "b"], { unknown: 1 }).encode("a?", "error"), UnknownCharacterError);
  assert.deepEqual(make(["a"]).encode("?a?", "skip"), [0]);
  const vocabulary = make(["a", "B", "f", "i"]);
  assert.deepEqual(vocabulary.encode("äbＡﬁ?\u0345", "fold"), [0, 1, 0, 2, 3]);
});

test("an empty prompt becomes the start text", () => {
  assert.deepEqual(make(["a"]).encodePrompt(""), [0]);
  assert.deepEqual(make(["a", "b"]).encodePrompt("?", "skip"), [0]);
});

test("a model of documents reads the last one, and stops at its end", () => {
  const charlm = { start: "\n", end: "\n" };
  const vocabulary = new Vocabulary({ vocabulary: ["a", "b", "\n"], charlm, text: rules });
  assert.equal(vocabulary.documents, true);
  assert.deepEqual(vocabulary.encodePrompt(""), [2]);
  assert.deepEqual(vocabulary.encodePrompt("ab"), [2, 0, 1]);
  assert.deepEqual(vocabulary.encodePrompt("\nb\na"), [2, 0]);
  assert.deepEqual(vocabulary.stops("b"), ["b", "\n"]);
  assert.deepEqual(vocabulary.stops([]), ["\n"]);
  assert.deepEqual(make(["a"]).stops("b"), "b");
  assert.equal(make(["a"]).documents, false);
});
