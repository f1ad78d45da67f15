import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { OptionError, SnapshotError, UnknownCharacterError } from "../src/errors.js";
import { model, ROOT, vectors } from "./models.js";

const TINY = "tests/data/charlm.onnx";
const PYTHON = process.env.PYTHON ?? fileURLToPath(new URL(".venv/bin/python", ROOT));
const decode = (text) => new Uint8Array(Buffer.from(text, "base64"));
const encode = (bytes) => Buffer.from(bytes).toString("base64");

/** A session of seed 2^53 + 3 that did what the vectors' session did. */
async function played(name) {
  const session = (await model(name)).session({ seed: 2n ** 53n + 3n });
  await session.feed("ab");
  return [session, await session.generate(11, { stop: "G" })];
}

for (const [name, { session: wanted }] of Object.entries(vectors.charlm)) {
  test(`${name}: a session goes as in Python`, async () => {
    const [session, first] = await played(name);
    assert.deepEqual([first, session.stopped, session.position], [wanted.first, wanted.stopped, wanted.position]);
    assert.equal(session.seed, 2n ** 53n + 3n);
    assert.equal(await session.generate({ length: 50 }), wanted.next);
    assert.equal(await (await model(name)).session({ seed: 5 }).generate(20), wanted.start);
  });

  test(`${name}: a session that Python saved goes on, and is saved as the same bytes`, async () => {
    const lm = await model(name);
    const session = await lm.restore(decode(wanted.saved));
    assert.equal(encode(await session.save()), wanted.saved);
    assert.equal(await session.generate(50), wanted.next);
    const fresh = await lm.session({ seed: 5 }).save();
    assert.equal(encode(fresh), wanted.fresh);
    assert.equal(await (await lm.restore(fresh.buffer)).generate(20), wanted.start);
  });
}

test("Python restores what JavaScript saved", async (context) => {
  if (!existsSync(PYTHON)) {
    return context.skip(`no Python at ${PYTHON}; set PYTHON to one that has rnn_infer`);
  }
  const cases = [];
  for (const name of Object.keys(vectors.charlm)) {
    const [session] = await played(name);
    const saved = encode(await session.save());
    cases.push({ model: name, saved, next: await session.generate(40) });
  }
  const path = join(mkdtempSync(join(tmpdir(), "rnn-infer-")), "sessions.json");
  writeFileSync(path, JSON.stringify(cases));
  const script = fileURLToPath(new URL("make_vectors.py", import.meta.url));
  const output = execFileSync(PYTHON, [script, "--check", path], { encoding: "utf8", cwd: ROOT });
  assert.equal(output.trim().split("\n").length, cases.length);
});

test("a damaged or foreign session is refused", async () => {
  const lm = await model(TINY);
  const saved = decode(vectors.charlm[TINY].session.saved);
  for (const at of [0, 9, 40, 200, saved.length - 1]) {
    const bad = saved.slice();
    bad[at] ^= 1;
    await assert.rejects(lm.restore(bad), SnapshotError, `byte ${at}`);
  }
  for (const end of [0, 11, 43, saved.length - 1]) {
    await assert.rejects(lm.restore(saved.slice(0, end)), SnapshotError, `${end} bytes`);
  }
  const other = await model("tests/data/wide.onnx");
  await assert.rejects(other.restore(saved), /belongs to another model file; load that one/);
  await assert.rejects(lm.restore("text"), OptionError);
});

test("a fork goes its own way, or the same with the same seed", async () => {
  const [session] = await played(TINY);
  const [twin, other] = [session.fork(), session.fork({ seed: 99 })];
  const text = await session.generate(30);
  assert.equal(await twin.generate(30), text);
  assert.notEqual(await other.generate(30), text);
  assert.equal(other.seed, 99);
});

test("calls of one session take turns", async () => {
  const lm = await model(TINY);
  const [one, two] = [lm.session({ seed: 1 }), lm.session({ seed: 1 })];
  await one.feed("ab");
  await one.feed("c");
  const [, , text] = await Promise.all([two.feed("ab"), two.feed("c"), two.generate(20)]);
  assert.equal(text, await one.generate(20));
});

test("probabilities are those of the next character, and change nothing", async () => {
  const lm = await model(TINY);
  const session = lm.session({ seed: 1 });
  await session.feed("ab");
  const probabilities = await session.probabilities();
  assert.ok(Math.abs(probabilities.reduce((a, b) => a + b) - 1) < 1e-6);
  const [{ char }] = await lm.next("ab", 1);
  assert.equal(lm.metadata.vocabulary[probabilities.indexOf(Math.max(...probabilities))], char);
  assert.equal(await session.generate(20), await lm.generate("ab", { seed: 1, length: 20 }));
});

test("a refused text leaves the session unchanged", async () => {
  const [session] = await played(TINY);
  const before = encode(await session.save());
  await assert.rejects(session.feed("abЖ"), UnknownCharacterError);
  await session.feed("");
  assert.equal(encode(await session.save()), before);
});

for (const [name, { penalised: wanted }] of Object.entries(vectors.charlm)) {
  test(`${name}: a session drawn with a repetition penalty crosses over`, async () => {
    const lm = await model(name);
    const how = { repetitionPenalty: 4, temperature: 0.3 };
    const session = lm.session({ seed: 36 });
    await session.feed("ab");
    assert.equal(await session.generate(40, how), wanted.first);
    const restored = await lm.restore(decode(wanted.saved));
    assert.equal(encode(await restored.save()), wanted.saved);
    assert.equal(await restored.generate(60, how), wanted.next);
  });
}
