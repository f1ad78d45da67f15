import assert from "node:assert/strict";
import { test } from "node:test";

import { ModelFileError } from "../src/errors.js";
import { readModelFile as read } from "../src/file/model_file.js";
import { CHARLM } from "../src/file/charlm_section.js";
import { CLASSIFIER } from "../src/file/classifier_section.js";
import { messages, parse } from "../src/file/protobuf.js";
import { bytesOf, concat, field, fields, withMetadata, withProperties } from "./models.js";

const readModelFile = (bytes, name) => read(bytes, name, { ...CHARLM, ...CLASSIFIER });
const file = bytesOf("tests/data/classifier.onnx");
const document = () => JSON.parse(metadataText(file));
const metadataText = (bytes) =>
  new TextDecoder().decode(messages(parse(messages(parse(bytes), 14)[0]), 2)[0]);

/** The file with other metadata entries. */
const withEntries = (...entries) => withProperties(file, entries);
const withText = (text) => withMetadata(file, text);
/** The file with a changed document. */
function changed(change) {
  const value = document();
  change(value);
  return withText(JSON.stringify(value));
}
const refuses = (bytes, message) =>
  assert.throws(() => readModelFile(bytes, "m.onnx"), (error) => {
    assert.ok(error instanceof ModelFileError, String(error));
    assert.match(error.message, /^m\.onnx: /);
    assert.match(error.message, message);
    return true;
  });

test("a file of each form is read", () => {
  const open = (name) => readModelFile(bytesOf(`tests/data/${name}.onnx`), name);
  assert.deepEqual(
    ["charlm", "charlm.step", "charlm.one", "charlm.three", "classifier"].map((name) => {
      const { generates, steps, states } = open(name);
      return [generates, steps, states.length];
    }),
    [[true, null, 4], [false, null, 4], [true, 1, 4], [true, 3, 4], [false, null, 4]],
  );
  assert.deepEqual(readModelFile(withText(metadataText(file)), "m.onnx").metadata, document());
});

test("bytes that are no model are refused", () => {
  refuses(new Uint8Array(), /is empty/);
  refuses(new TextEncoder().encode("<!doctype html><title>404</title>"), /damaged or not an ONNX/);
  refuses(Uint8Array.of(0, 0, 0, 0, 0x4f, 0x52, 0x54, 0x4d), /\.ort file; load the \.onnx/);
  for (let end = 1; end < file.length; end += 997) {
    assert.throws(() => readModelFile(file.slice(0, end), "m.onnx"), ModelFileError);
  }
});

test("metadata must be the one document", () => {
  refuses(withEntries(), /has no 'rnn_model' metadata; export it with rnn-train/);
  refuses(withEntries(["rnn_model", metadataText(file)], ["x", "y"]), /the key 'x' beside the one/);
  refuses(withEntries(["rnn_model", "{}"], ["rnn_model", "{}"]), /a second copy beside/);
  refuses(withEntries(["rnn_model", Uint8Array.of(255)]), /not UTF-8/);
  const simplified = withEntries(["rnn_model", metadataText(file)], ["onnxsim.removed_nodes", "3"]);
  assert.deepEqual(readModelFile(simplified, "m.onnx").metadata, document());
});

test("the document must fit its schema", () => {
  refuses(withText("{"), /is not valid JSON/);
  refuses(withText("[]"), /metadata: expected an object/);
  refuses(withText(metadataText(file).replace("{", '{"kind":"charlm",')), /repeats a key/);
  refuses(changed((value) => (value.format_version = 3)), /newer than 2.*upgrade/);
  refuses(changed((value) => (value.format_version = 0)), /format_version is not known/);
  refuses(changed((value) => (value.extra = 1)), /metadata: unknown key 'extra'/);
  refuses(changed((value) => delete value.golden.uniform), /golden: key 'uniform' is missing/);
  refuses(changed((value) => (value.text.unknown = "1")), /text\.unknown: expected an integer/);
  refuses(changed((value) => (value.text.newlines = "crlf")), /expected one of keep, lf/);
  refuses(changed((value) => (value.vocabulary[3] = "\ud800")), /vocabulary\[3\]: expected Unicode/);
  refuses(changed((value) => (value.proof.x = null)), /proof\.x: expected a number/);
  refuses(changed((value) => (value.training.x = [])), /training\.x: expected a truth value/);
});

test("the values of the document must keep their rules", () => {
  refuses(changed((value) => (value.kind = "charlm")), /the section of its kind, 'charlm'/);
  refuses(changed((value) => (value.vocabulary[0] = "ab")), /one Unicode character/);
  refuses(changed((value) => (value.vocabulary[0] = "")), /one Unicode character/);
  refuses(changed((value) => (value.vocabulary[0] = value.vocabulary[1])), /repeats a character/);
  refuses(changed((value) => (value.text.unknown = 9999)), /text\.unknown is not a token/);
  refuses(changed((value) => value.classifier.log_prior.pop()), /log_prior needs one per label/);
  refuses(changed((value) => (value.classifier.labels[0] = value.classifier.labels[1])), /repeat/);
  refuses(changed((value) => (value.classifier.begin = "\u0416")), /classifier\.begin is not in vocabulary/);
  refuses(changed((value) => value.golden.logits.pop()), /golden\.logits has another width/);
  refuses(changed((value) => (value.golden.tokens[0] = -1)), /golden tokens are out of range/);
  refuses(changed((value) => (value.golden.uniform = [0.5])), /one uniform per token/);
  refuses(changed((value) => (value.classifier.end = "e\u0301")), /classifier\.end is not in|changed by/);
});

test("keys of version 2 may be missing, and need that version", () => {
  const scores = (rows, scores) => (value) => {
    value.format_version = 2;
    value.classifier.held_out = { rows, scores };
  };
  const { metadata } = readModelFile(changed(scores(9, [0, 0.5, 0.5, 1])), "m.onnx");
  assert.deepEqual(metadata.classifier.held_out.scores, [0, 0.5, 0.5, 1]);
  refuses(changed(scores(1, [0.1, 0.2])), /one score to one per row/);
  refuses(changed(scores(0, [])), /one score to one per row/);
  refuses(changed(scores(3, [0.1, 2])), /scores are out of range/);
  refuses(changed(scores(3, [0.2, 0.1])), /scores do not ascend/);
  refuses(changed((value) => (value.classifier.held_out = { rows: 1 })), /key 'scores' is missing/);
  refuses(changed((value) => (value.classifier.held_out = null)), /held_out: expected an object/);
  const noise = (...shares) => (value) => {
    value.format_version = 2;
    value.classifier.noise = value.classifier.labels.map((_, i) => shares[i] ?? 0);
    if (!shares.length) value.classifier.noise.pop();
  };
  const { noise: kept } = readModelFile(changed(noise(0.25, 0.5)), "m.onnx").metadata.classifier;
  assert.deepEqual(kept.slice(0, 3), [0.25, 0.5, 0]);
  refuses(changed(noise()), /noise needs one probability per label/);
  refuses(changed(noise(0.5, 0.5)), /noise is no part of a distribution/);
  refuses(changed(noise(0.5, -0.1)), /noise is no part of a distribution/);
  refuses(changed((value) => (value.golden.tolerance = 0)), /tolerance is not positive|format_version 2/);
  const old = (value) => {
    scores(1, [0.1])(value);
    value.format_version = 1;
  };
  refuses(changed(old), /its keys need format_version 2; export the file again/);
});

test("the section of a character model keeps its rules", () => {
  const own = bytesOf("tests/data/charlm.onnx");
  const section = (charlm) => {
    const value = JSON.parse(metadataText(own));
    Object.assign(value, { charlm, format_version: 2 });
    return withMetadata(own, JSON.stringify(value));
  };
  assert.equal(readModelFile(section({ start: "\n", end: "\n" }), "m.onnx").metadata.charlm.end, "\n");
  refuses(section({ start: "" }), /charlm\.start is empty/);
  refuses(section({ start: "\u0416" }), /charlm\.start is not in vocabulary/);
  refuses(section({ start: "a", end: "b" }), /charlm\.end is not charlm\.start/);
  refuses(section({ start: "ab", end: "ab" }), /charlm\.end is not one character/);
  refuses(section(null), /exactly the section of its kind, 'charlm'/);
});

test("the inputs and outputs of the graph must be those of the format", () => {
  const other = changed((value) => value.classifier.labels.push("x") && value.classifier.log_prior.push(0) && value.golden.logits.push(0));
  refuses(other, /'logits' is float32 \[\?, \?, 5\], not float32 \[\?, \?, 6\]/);
  const graph = messages(parse(file), 7)[0];
  const swap = (own) => concat(...[...fields(file)].map(([n, value]) => field(n, n === 7 ? own : value)));
  const without = (number) => {
    let first = true;
    return concat(
      ...[...fields(graph)]
        .filter(([n]) => n !== number || !(first && !(first = false)))
        .map(([n, value]) => field(n, value)),
    );
  };
  refuses(swap(without(11)), /input '.+' is missing|is not in the format/);
  refuses(swap(without(12)), /output '.+' is missing|is not in the format/);
});

test("an opset or an operator domain outside the format is refused", () => {
  const add = (domain, version) => concat(file, field(8, concat(field(1, domain), field(2, version))));
  refuses(add("", 22), /opset 22 is outside 17\.\.21/);
  refuses(add("ai.onnx.ml", 3), /operator domain 'ai\.onnx\.ml'/);
  refuses(concat(file, field(1, 3)), /ONNX IR version/);
});
