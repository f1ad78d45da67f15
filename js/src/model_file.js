/** Reading a model file: its metadata document, and the inputs and outputs of its graph. */

import { ModelFileError } from "./errors.js";
import { METADATA_KEY, parseMetadata } from "./metadata.js";
import { damaged, integer, messages, text } from "./protobuf.js";

/**
 * One state tensor, float32 [batch, width]. It is zero at the start of a stream.
 * @typedef {{name: string, width: number}} StateSpec
 */

/**
 * A file that passed the checks.
 *
 * @typedef {object} ModelFile
 * @property {string} name The address or name that messages show.
 * @property {import("./metadata.js").Metadata} metadata
 * @property {number} outputs The width of the logits: the number of labels, or of characters.
 * @property {StateSpec[]} states The states, in the order of the graph's inputs.
 * @property {boolean} generates Whether the graph draws tokens. False: a step-only export.
 * @property {number | null} steps Tokens that a call reads or draws. null: any number.
 */

const MAX_METADATA_BYTES = 8 * 2 ** 20;
const MAX_STEPS = 32;
const MAX_STATE_WIDTH = 2 ** 16;
const FLOAT32 = 1;
const INT64 = 7;

/**
 * Read and check a model file.
 *
 * @param {Uint8Array} bytes
 * @param {string} name
 * @returns {ModelFile}
 * @throws {ModelFileError} the file breaks a rule.
 */
export function readModelFile(bytes, name) {
  try {
    if (!bytes.length) throw new ModelFileError("is empty; fetch it again");
    checkHeader(bytes);
    const metadata = parseMetadata(documentOf(bytes));
    const outputs = (metadata.classifier?.labels ?? metadata.vocabulary).length;
    const graphs = messages(bytes, 7);
    if (graphs.length !== 1) throw damaged("it has no graph, or several");
    return { name, metadata, outputs, ...readInterface(graphs[0], metadata, outputs) };
  } catch (error) {
    if (error instanceof ModelFileError) error.message = `${name}: ${error.message}`;
    throw error;
  }
}

/** @param {Uint8Array} bytes */
function checkHeader(bytes) {
  if (bytes[4] === 0x4f && bytes[5] === 0x52 && bytes[6] === 0x54 && bytes[7] === 0x4d) {
    throw new ModelFileError("is an .ort file; load the .onnx file that it was made from");
  }
  if (!(integer(bytes, 1, 0) >= 8) || integer(bytes, 1, 0) > 10) {
    throw damaged("it has no ONNX IR version from 8 to 10");
  }
  for (const opset of messages(bytes, 8)) {
    const version = integer(opset, 2, 0);
    if (text(opset, 1) !== "") throw foreign(`it uses operator domain '${text(opset, 1)}'`);
    if (version < 17 || version > 21) {
      throw new ModelFileError(`opset ${version} is outside 17..21: too new or too old`);
    }
  }
}

/** @param {string} what */
const foreign = (what) => new ModelFileError(`not a model made by rnn-train: ${what}`);

/**
 * Return the metadata document. It is in field 14 of the file: entries {1: key, 2: value}.
 * @param {Uint8Array} bytes
 */
function documentOf(bytes) {
  const entries = messages(bytes, 14);
  const found = entries.filter((entry) => text(entry, 1) === METADATA_KEY);
  if (!found.length) throw foreign(`it has no '${METADATA_KEY}' metadata; export it with rnn-train`);
  // onnxsim writes a report on its work under keys of its own. Nothing reads them.
  const other = entries.find((entry) => !/^(rnn_model$|onnxsim\.)/.test(text(entry, 1)));
  if (other || found.length > 1) {
    const what = other ? `the key '${text(other, 1).slice(0, 80)}'` : "a second copy";
    throw foreign(`it has ${what} beside the one '${METADATA_KEY}' document; load the exported file`);
  }
  if (found[0].length > MAX_METADATA_BYTES) {
    throw new ModelFileError("its metadata is larger than the limit");
  }
  return text(found[0], 2);
}

/** @typedef {{kind: number, sizes: (number | null)[]}} TensorType */

/**
 * @param {Uint8Array} graph
 * @param {import("./metadata.js").Metadata} metadata
 * @param {number} outputs
 */
function readInterface(graph, metadata, outputs) {
  const [given, found] = [tensors(graph, 11), tensors(graph, 12)];
  const states = [...given.keys()].filter((name) => found.has(name + "_next"));
  const generates = found.has("generated");
  if (generates && metadata.kind !== "charlm") {
    throw new ModelFileError("a classifier cannot have generation inputs");
  }
  if (generates !== metadata.golden.generated.length > 0) {
    throw new ModelFileError("bad metadata: golden.generated and generation inputs go together");
  }
  const steps = given.get("tokens")?.sizes[1] ?? null;
  if (steps !== null && (steps < 1 || steps > MAX_STEPS)) {
    throw new ModelFileError(`it takes ${steps} steps a call, not 1 to ${MAX_STEPS}`);
  }
  const specs = states.map((name) => ({ name, width: given.get(name)?.sizes[1] ?? 0 }));
  const own = specs.find(({ width }) => width < 1 || width > MAX_STATE_WIDTH);
  if (own) throw new ModelFileError(`state '${own.name}' has no fixed width`);
  expect("input", given, wantedInputs(specs, generates, steps));
  expect("output", found, wantedOutputs(specs, generates, steps, outputs));
  return { states: specs, generates, steps };
}

/** @param {StateSpec[]} states @param {boolean} generates @param {number | null} steps */
function wantedInputs(states, generates, steps) {
  /** @type {[string, TensorType][]} */
  const wanted = [["tokens", { kind: INT64, sizes: [null, steps] }]];
  if (generates) {
    wanted.push(
      ["uniform", { kind: FLOAT32, sizes: [null, steps] }],
      ["temperature", { kind: FLOAT32, sizes: [null] }],
      ["top_k", { kind: INT64, sizes: [null] }],
      ["top_p", { kind: FLOAT32, sizes: [null] }],
    );
  }
  for (const { name, width } of states) wanted.push([name, { kind: FLOAT32, sizes: [null, width] }]);
  return wanted;
}

/** @param {StateSpec[]} states @param {boolean} generates @param {number | null} steps @param {number} n */
function wantedOutputs(states, generates, steps, n) {
  /** @type {[string, TensorType][]} */
  const wanted = [["logits", { kind: FLOAT32, sizes: [null, steps, n] }]];
  if (generates) wanted.push(["generated", { kind: INT64, sizes: [null, steps] }]);
  for (const { name, width } of states) {
    wanted.push([name + "_next", { kind: FLOAT32, sizes: [null, width] }]);
  }
  return wanted;
}

/** @param {string} what @param {Map<string, TensorType>} actual @param {[string, TensorType][]} wanted */
function expect(what, actual, wanted) {
  const names = new Set(wanted.map(([name]) => name));
  for (const name of actual.keys()) {
    if (!names.has(name)) {
      throw new ModelFileError(`${what} '${name.slice(0, 80)}' is not in the format`);
    }
  }
  for (const [name, type] of wanted) {
    const own = actual.get(name);
    if (!own) throw new ModelFileError(`${what} '${name}' is missing from the graph`);
    if (shown(own) !== shown(type)) {
      throw new ModelFileError(`'${name.slice(0, 80)}' is ${shown(own)}, not ${shown(type)}`);
    }
  }
}

/** @param {TensorType} type */
function shown({ kind, sizes }) {
  const name = { [FLOAT32]: "float32", [INT64]: "int64" }[kind] ?? `type ${kind}`;
  return `${name} [${sizes.map((size) => size ?? "?").join(", ")}]`;
}

/**
 * Return the types of the graph's inputs (field 11) or outputs (field 12) by name.
 *
 * @param {Uint8Array} graph
 * @param {number} field
 */
function tensors(graph, field) {
  /** @type {Map<string, TensorType>} */
  const found = new Map();
  for (const value of messages(graph, field)) {
    const name = text(value, 1);
    const [tensor] = messages(value, 2).flatMap((type) => messages(type, 1));
    const [shape] = tensor ? messages(tensor, 2) : [];
    if (!shape) throw new ModelFileError(`'${name.slice(0, 80)}' is not a tensor of known rank`);
    if (found.has(name)) throw damaged("a graph input or output appears twice");
    const sizes = messages(shape, 1).map((dim) => integer(dim, 1, null));
    found.set(name, { kind: integer(tensor, 1, 0), sizes });
  }
  return found;
}
