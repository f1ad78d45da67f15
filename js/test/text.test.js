import assert from "node:assert/strict";
import { test } from "node:test";

import { OptionError, UnknownCharacterError } from "../src/errors.js";
import { CharVocabulary } from "../src/text/char_vocabulary.js";
import { Vocabulary } from "../src/text/vocabulary.js";

const rules = { normalization: "NFC", newlines: "lf", unknown: null };
const make = (vocabulary, text = {}) => new Vocabulary({ vocabulary, text: { ...rules, ...text } });

/** A rule that forbids nothing. */
const ALL = { bias: null, unknown: null };

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

test("the known share counts canonical forms", () => {
  assert.equal(make(["e", "é"]).knownShare("e\u0301e", "skip"), 1);
  assert.equal(make(["e", "\u0301"]).knownShare("ée?", "skip"), 3 / 4);
  assert.equal(make(["é"]).knownShare("e\u0301x", "skip"), 1 / 2);
});

const prompts = (vocabulary, charlm = { start: "a" }) =>
  new CharVocabulary({ vocabulary, charlm, text: rules });

test("an empty prompt becomes the start text", () => {
  assert.deepEqual(prompts(["a"]).encodePrompt(""), [0]);
  assert.deepEqual(prompts(["a", "b"]).encodePrompt("?", "skip"), [0]);
});

test("a model of documents reads the last one, and stops at its end", () => {
  const vocabulary = prompts(["a", "b", "\n"], { start: "\n", end: "\n" });
  assert.equal(vocabulary.mark, 2);
  assert.deepEqual(vocabulary.encodePrompt(""), [2]);
  assert.deepEqual(vocabulary.encodePrompt("ab"), [2, 0, 1]);
  assert.deepEqual(vocabulary.encodePrompt("\nb\na"), [2, 0]);
  assert.deepEqual(vocabulary.stops("b", ALL), ["b", "\n"]);
  assert.deepEqual(vocabulary.stops([], ALL), ["\n"]);
  assert.equal(prompts(["a"]).mark, null);
});

test("stop texts follow the text rules, and must be possible", () => {
  const vocabulary = prompts(["a", "b", "é", "\n"]);
  assert.deepEqual(vocabulary.stops("b", ALL), ["b"]);
  assert.deepEqual(vocabulary.stops(["e\u0301", "a\r\n"], ALL), ["é", "a\n"]);
  assert.throws(() => vocabulary.stops(["a", ""], ALL), /a stop text is empty; leave it out/);
  assert.throws(() => vocabulary.stops(7, ALL), /must be one text or an array of texts, got 7/);
  assert.throws(() => vocabulary.stops([7], ALL), /a text must be a string, got 7/);
  assert.throws(
    () => vocabulary.stops("aЖ", ALL),
    (error) =>
      error instanceof OptionError &&
      /never write the stop text "aЖ": character "Ж" .* vocabulary; drop it$/.test(error.message),
  );
});

test("another canonical form of a known character is taken", () => {
  const keep = { normalization: "none" };
  const composed = make(["é", "a", "e"], keep);
  assert.deepEqual(composed.encode("ae\u0301a", "error"), [1, 0, 1]);
  assert.throws(() => composed.encode("aa\u0301"), /"́" \(U\+0301\) at position 2/);
  const apart = make(["e", "\u0301", "\u0323", "가", "각"], keep);
  assert.deepEqual(apart.encode("éẹ́"), [0, 1, 0, 2, 1]);
  assert.deepEqual(apart.encode("\u1100\u1161\u11a8\u1100\u1161"), [4, 3]);
  assert.deepEqual(composed.encode("e" + "\u0301".repeat(40), "skip"), [2]);
});

test("the known share counts characters that are read as known ones", () => {
  const vocabulary = make(["a", "?"], { unknown: 1 });
  assert.equal(vocabulary.knownShare("aaЖ?", "default"), 0.5);
  assert.equal(vocabulary.knownShare("äЖ", "default"), 0);
  assert.equal(vocabulary.knownShare("äЖ", "fold"), 0.5);
  assert.equal(vocabulary.knownShare("", "default"), 0);
});
