/** Models of documents, forms of characters, the unknown token, and drawing by steps. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { drawRule } from "../src/drawing/draw_rule.js";
import { OptionError, UnknownCharacterError } from "../src/errors.js";
import { Vocabulary } from "../src/text/vocabulary.js";
import { model, optionsOf, sameText, variant, vectors } from "./models.js";

const TINY = "tests/data/charlm.onnx";

for (const name of ["documents", "forms", "unknown"]) {
  test(`${name}: texts are those of Python, at any chunking`, async () => {
    const lm = await variant(vectors[name]);
    for (const each of vectors[name].texts) {
      await sameText(lm, each);
      if (each.error) continue;
      for (const chunk of [1, 7]) {
        let found = "";
        const pieces = lm.stream(each.prompt, { ...optionsOf(each.options), chunk });
        for await (const piece of pieces) found += piece;
        assert.equal(found, each.text, `${chunk} a piece`);
      }
    }
  });
}

test("a batch in which one text met the unknown token is that of Python, one by one", async () => {
  const lm = await variant(vectors.unknown);
  const options = { length: 90, seed: 46, temperature: 2 };
  const texts = await lm.generate(["ab", "ab", "c"], options);
  for (const [i, prompt] of ["ab", "ab", "c"].entries()) {
    assert.equal(texts[i], await lm.generate(prompt, { ...options, seed: 46 + i }));
  }
});

test("documents are scored each from the zero state", async () => {
  const lm = await variant(vectors.documents);
  const { scores, next } = vectors.documents;
  const found = await lm.score(scores.map(([text]) => text));
  found.forEach(({ natsPerChar, characters, nats }, i) => {
    assert.ok(Math.abs(natsPerChar - scores[i][1]) < 1e-5, JSON.stringify(scores[i]));
    assert.deepEqual([characters, nats.length], [scores[i][2], scores[i][2]]);
  });
  assert.deepEqual((await lm.next("", 3)).map(({ char }) => char), next.map(([char]) => char));
  await assert.rejects(lm.score("\n"), /text 0 has no character to score; give a longer one/);
});

test("a session begins anew where a document ends", async () => {
  const session = (await variant(vectors.documents)).session({ seed: 41 });
  for (const { fed, text, stopped } of vectors.documents.steps) {
    await session.feed(fed);
    const options = fed ? { logitBias: { "\n": 3 } } : {};
    assert.deepEqual([await session.generate(12, options), session.stopped], [text, stopped], fed);
  }
});

test("a stop text that the model can never write is refused", async () => {
  const lm = await model(TINY);
  for (const stop of ["\u0416", ["a", "a\u0416"]]) {
    await assert.rejects(lm.generate("a", { stop }), /can never write the stop text .*; drop it$/);
    assert.throws(() => lm.session({ seed: 1 }).stream(5, { stop }), OptionError);
  }
  const text = await lm.generate("a", { seed: 3, stop: "\r\n" });
  assert.equal(text, await lm.generate("a", { seed: 3, stop: "\n" }));
});

test("a stop text that is never drawn is refused", async () => {
  const lm = await model(TINY);
  const options = { length: 5, stop: ["a", "be"], logitBias: { e: -Infinity } };
  const refused = { name: "OptionError", message: /"be" can never come: "e" is never drawn; allow it in logitBias/ };
  await assert.rejects(lm.generate("a", options), refused);
  assert.throws(() => lm.stream("a", options), refused);
  assert.throws(() => lm.session().stream(options), refused);
  await lm.generate("a", { ...options, logitBias: { e: -1000 } });
  const unknown = await variant(vectors.unknown);
  const [char] = unknown.metadata.vocabulary.slice(unknown.metadata.text.unknown);
  await assert.rejects(unknown.generate("a", { stop: char }), /is never drawn/);
  assert.equal((await unknown.generate("a", { length: 5, stop: char, logitBias: { [char]: 0 } })).length <= 5, true);
});

test("a bias may be a map, or one number for each character", async () => {
  const lm = await model(TINY);
  const { vocabulary } = lm.metadata;
  const options = { seed: 5, length: 50 };
  const wanted = await lm.generate("a", { ...options, logitBias: { b: 2, e: -Infinity } });
  const numbers = vocabulary.map((char) => ({ b: 2, e: -Infinity })[char] ?? 0);
  for (const logitBias of [new Map([["b", 2], ["e", -Infinity]]), numbers, Float64Array.from(numbers)]) {
    assert.equal(await lm.generate("a", { ...options, logitBias }), wanted);
  }
  assert.ok(!wanted.includes("e"));
  const plain = await lm.generate("a", options);
  for (const logitBias of [null, {}, []]) {
    assert.equal(await lm.generate("a", { ...options, logitBias }), plain);
  }
});

test("a bias takes every canonical form of a character, as in Python", () => {
  const filters = { temperature: 1, topK: 0, topP: 1, repetitionPenalty: 1 };
  const biasOf = (vocabulary, char) => {
    const text = { newlines: "none", normalization: "none", unknown: null };
    const rule = drawRule({ ...filters, logitBias: { [char]: 5 } }, new Vocabulary({ text, vocabulary }));
    return [...rule.bias];
  };
  assert.deepEqual(biasOf(["a", "\u00e9"], "e\u0301"), [0, 5]);
  const apart = ["e", "\u0301"];
  assert.deepEqual(biasOf(apart, "e"), [5, 0]);
  // Two characters of the vocabulary: the letter alone would be another character.
  assert.throws(() => biasOf(apart, "\u00e9"), /is not one character; give each its own/);
  assert.throws(() => biasOf(["a", "b"], "a\u0416"), /is not one character/);
  assert.throws(() => biasOf(["a", "b"], "\u00e9"), UnknownCharacterError);
});

test("a bad bias or penalty is refused", async () => {
  const lm = await model(TINY);
  const { vocabulary } = lm.metadata;
  const all = Object.fromEntries(vocabulary.map((char) => [char, -Infinity]));
  const bad = [
    [{ logitBias: 3 }, /logitBias must be numbers by character.*got 3/],
    [{ logitBias: "abc" }, /logitBias must be numbers by character/],
    [{ logitBias: [1, 2] }, /logitBias must be \d+ numbers, one for each character, got 2/],
    [{ logitBias: { a: "1" } }, /logitBias of "a" must be from -1000 to 1000, or -Infinity/],
    [{ logitBias: { a: 1001 } }, /got 1001/],
    [{ logitBias: { a: Infinity } }, /got Infinity/],
    [{ logitBias: { ab: 1 } }, /"ab" is not one character; give each its own/],
    [{ logitBias: { "\r": 1, "\n": 2 } }, /logitBias names .* twice/],
    [{ logitBias: all }, /forbids every character; allow at least one/],
    [{ repetitionPenalty: 0.5 }, /repetitionPenalty must be from 1 to 100, got 0.5/],
    [{ repetitionPenalty: "2" }, /repetitionPenalty must be from 1 to 100, got "2"/],
    [{ temperature: "1" }, /temperature must be from 0 to 1000000, got "1"/],
  ];
  for (const [options, message] of bad) {
    await assert.rejects(lm.generate("a", options), (error) => {
      assert.ok(error instanceof OptionError, String(error));
      assert.match(error.message, message);
      return true;
    });
  }
  await assert.rejects(lm.generate("a", { logitBias: { "\u0416": 1 } }), UnknownCharacterError);
});
