/** The inputs and outputs of a graph. */

import { ModelFileError } from "../errors.js";
import { damaged, integer, messages, parse, text } from "./protobuf.js";

/**
 * One state tensor, float32 [batch, width]. It is zero at the start of a stream.
 * @typedef {{name: string, width: number}} StateSpec
 */

/**
 * What a graph takes and gives.
 *
 * @typedef {object} Interface
 * @property {StateSpec[]} states The states, in the order of the graph's inputs.
 * @property {boolean} generates Whether the graph draws tokens. False: a step-only export.
 * @property {number | null} steps Tokens that a call reads or draws. null: any number.
 */

/** A tensor as messages show it, like "float32 [?, 512]", and its second size. */
/** @typedef {{type: string, width?: number}} Tensor */

const MAX_STEPS = 32;
const MAX_STATE_WIDTH = 2 ** 16;
const TYPES = { 1: "float32", 7: "int64" };

/**
 * Read and check the inputs and outputs of a graph.
 *
 * @param {import("./protobuf.js").Fields} graph
 * @param {import("./metadata.js").Metadata} metadata
 * @param {number} outputs the width of the logits
 * @returns {Interface}
 * @throws {ModelFileError} they are not those of the format.
 */
export function readInterface(graph, metadata, outputs) {
  const [given, found] = [tensors(graph, 11), tensors(graph, 12)];
  const generates = found.has("generated");
  if (generates && !metadata.charlm) {
    throw new ModelFileError("a classifier cannot have generation inputs; export it again");
  }
  if (generates !== metadata.golden.generated.length > 0) {
    throw new ModelFileError("bad metadata: golden.generated and generation inputs go together");
  }
  const steps = given.get("tokens")?.width ?? null;
  if (steps !== null && (steps < 1 || steps > MAX_STEPS)) {
    throw new ModelFileError(`it takes ${steps} steps a call, not 1 to ${MAX_STEPS}`);
  }
  const states = [...given]
    .filter(([name]) => found.has(name + "_next"))
    .map(([name, { width = 0 }]) => ({ name, width }));
  const own = states.find(({ width }) => width < 1 || width > MAX_STATE_WIDTH);
  if (own) throw new ModelFileError(`state '${own.name.slice(0, 80)}' has no fixed width`);
  const row = `[?, ${steps ?? "?"}`;
  /** @param {string} end @returns {[string, string][]} */
  const statesWith = (end) => states.map(({ name, width }) => [name + end, `float32 [?, ${width}]`]);
  /** @type {(inputs: [string, string][]) => [string, string][]} */
  const ifDrawn = (wanted) => (generates ? wanted : []);
  expect("input", given, [
    ["tokens", `int64 ${row}]`],
    ...ifDrawn([
      ["uniform", `float32 ${row}]`],
      ["temperature", "float32 [?]"],
      ["top_k", "int64 [?]"],
      ["top_p", "float32 [?]"],
    ]),
    ...statesWith(""),
  ]);
  expect("output", found, [
    ["logits", `float32 ${row}, ${outputs}]`],
    ...ifDrawn([["generated", `int64 ${row}]`]]),
    ...statesWith("_next"),
  ]);
  return { states, generates, steps };
}

/** @param {string} what @param {Map<string, Tensor>} actual @param {[string, string][]} wanted */
function expect(what, actual, wanted) {
  for (const [name, type] of wanted) {
    const own = actual.get(name)?.type;
    if (!own) throw new ModelFileError(`${what} '${name}' is missing from the graph; export it again`);
    if (own !== type) {
      throw new ModelFileError(`'${name.slice(0, 80)}' is ${own}, not ${type}; export it again`);
    }
    actual.delete(name);
  }
  for (const name of actual.keys()) {
    throw new ModelFileError(`${what} '${name.slice(0, 80)}' is not in the format; export it again`);
  }
}

/**
 * Return the graph's inputs (field 11) or outputs (field 12) by name.
 *
 * @param {import("./protobuf.js").Fields} graph
 * @param {number} field
 */
function tensors(graph, field) {
  /** @type {Map<string, Tensor>} */
  const found = new Map();
  for (const bytes of messages(graph, field)) {
    const value = parse(bytes);
    const name = text(value, 1);
    const [tensor] = messages(value, 2).flatMap((type) => messages(parse(type), 1)).map(parse);
    const [shape] = tensor ? messages(tensor, 2) : [];
    if (!shape) throw new ModelFileError(`'${name.slice(0, 80)}' is not a tensor of known rank`);
    if (found.has(name)) throw damaged("a graph input or output appears twice");
    const sizes = messages(parse(shape), 1).map((size) => integer(parse(size), 1));
    const kind = integer(tensor, 1) ?? 0;
    const shownType = Reflect.get(TYPES, kind) ?? `type ${kind}`;
    const type = `${shownType} [${sizes.map((size) => size ?? "?").join(", ")}]`;
    found.set(name, { type, width: sizes[1] });
  }
  return found;
}
