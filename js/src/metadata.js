/**
 * The metadata document of a model file: its schema, and the rules that its values must keep.
 * Names are those of the document.
 */

import { ModelFileError } from "./errors.js";
import { Vocabulary } from "./text.js";

/**
 * @typedef {object} Metadata
 * @property {1 | 2} format_version
 * @property {"charlm" | "classifier"} kind
 * @property {string} producer The program that wrote the file.
 * @property {{normalization: "none" | "NFC", newlines: "keep" | "lf", unknown: number | null}} text
 *   How a text becomes tokens.
 * @property {string[]} vocabulary The characters, one code point each. The index is the token.
 * @property {{start: string, end?: string} | null} charlm
 * @property {{labels: string[], begin: string, end: string, log_prior: number[],
 *   held_out?: {rows: number, scores: number[]}} | null} classifier
 * @property {Record<string, boolean | string | number>} training Facts about the training.
 * @property {Record<string, number>} proof The largest differences that the exporter measured.
 * @property {{tokens: number[], logits: number[], uniform: number[], generated: number[], tolerance?: number}} golden
 *   A recorded run.
 */

export const METADATA_KEY = "rnn_model";
const FORMAT_VERSION = 2;
const MAX_VOCABULARY = 100_000;
const MAX_LABELS = 10_000;
const MAX_GOLDEN = 1024;

/** @typedef {(value: any, where: string) => void} Check */

/** @param {string} what @returns {never} */
function bad(what) {
  throw new ModelFileError(`bad metadata: ${what}`);
}

/** @param {(value: any) => boolean} fits @param {string} name @returns {Check} */
const scalar = (fits, name) => (value, where) => fits(value) || bad(`${where}: expected ${name}`);
const text = scalar((v) => typeof v === "string" && v.isWellFormed(), "Unicode text");
const integer = scalar(Number.isSafeInteger, "an integer");
const number = scalar(Number.isFinite, "a number");
const fact = scalar(
  (v) => typeof v === "boolean" || Number.isFinite(v) || (typeof v === "string" && v.isWellFormed()),
  "a truth value, a text or a number",
);
/** @param {...string} all */
const oneOf = (...all) => scalar((v) => all.includes(v), `one of ${all.join(", ")}`);
/** @param {Check} item @returns {Check} */
const nullable = (item) => (value, where) => value === null || item(value, where);

/** @type {WeakSet<Check>} */
const mayLack = new WeakSet();

/**
 * A key that a document may lack. It came with version 2 of the format.
 * @param {Check} item @returns {Check}
 */
export const optional = (item) => {
  /** @type {Check} */
  const check = (value, where) => value === undefined || item(value, where);
  mayLack.add(check);
  return check;
};

/** @param {Check} item @returns {Check} */
const list = (item) => (value, where) =>
  Array.isArray(value)
    ? value.forEach((each, i) => item(each, `${where}[${i}]`))
    : bad(`${where}: expected an array`);

/** @param {any} value @param {string} where */
const entries = (value, where) =>
  value && typeof value === "object" && !Array.isArray(value)
    ? Object.entries(value)
    : bad(`${where}: expected an object`);

/** @param {Check} item @returns {Check} */
const mapping = (item) => (value, where) =>
  entries(value, where).forEach(([key, each]) => item(each, `${where}.${key.slice(0, 80)}`));

/** @param {Record<string, Check>} shape @returns {Check} */
const object = (shape) => (value, where) => {
  for (const [key] of entries(value, where)) {
    if (!Object.hasOwn(shape, key)) bad(`${where}: unknown key '${key.slice(0, 80)}'`);
  }
  for (const [key, check] of Object.entries(shape)) {
    if (!Object.hasOwn(value, key) && !mayLack.has(check)) bad(`${where}: key '${key}' is missing`);
    check(value[key], `${where}.${key}`);
  }
};

const document = object({
  format_version: integer,
  kind: oneOf("charlm", "classifier"),
  producer: text,
  text: object({
    normalization: oneOf("none", "NFC"),
    newlines: oneOf("keep", "lf"),
    unknown: nullable(integer),
  }),
  vocabulary: list(text),
  charlm: nullable(object({ start: text, end: optional(text) })),
  classifier: nullable(
    object({
      labels: list(text),
      begin: text,
      end: text,
      log_prior: list(number),
      held_out: optional(object({ rows: integer, scores: list(number) })),
    }),
  ),
  training: mapping(fact),
  proof: mapping(number),
  golden: object({
    tokens: list(integer),
    logits: list(number),
    uniform: list(number),
    generated: list(integer),
    tolerance: optional(number),
  }),
});

/**
 * Parse and check the metadata document.
 *
 * @param {string} source the JSON text
 * @returns {Metadata}
 * @throws {ModelFileError} it breaks a rule.
 */
export function parseMetadata(source) {
  let value;
  try {
    value = JSON.parse(source);
  } catch (error) {
    bad(`metadata: is not valid JSON (${/** @type {Error} */ (error).message.split("\n")[0]})`);
  }
  if (repeatsKey(source)) bad("metadata: repeats a key");
  if (value?.format_version > FORMAT_VERSION) {
    throw new ModelFileError(
      `format version ${value.format_version} is newer than ${FORMAT_VERSION}, ` +
        "the newest that this rnn-infer reads; upgrade it",
    );
  }
  document(value, "metadata");
  checkDocument(value);
  return value;
}

/**
 * Return whether an object in a valid JSON text has a key twice. `JSON.parse` keeps the last one.
 * @param {string} source
 */
function repeatsKey(source) {
  /** @type {Set<string>[]} */
  const open = [];
  for (const [token, string, colon] of source.matchAll(/("(?:[^"\\]|\\.)*")\s*(:?)|[{}]/g)) {
    if (token === "{") open.push(new Set());
    else if (token === "}") open.pop();
    else if (colon) {
      const keys = open[open.length - 1];
      const key = JSON.parse(string);
      if (keys.has(key)) return true;
      keys.add(key);
    }
  }
  return false;
}

/** @param {boolean} condition @param {string} otherwise */
const require = (condition, otherwise) => condition || bad(otherwise);

/** @param {Metadata} metadata */
function checkDocument(metadata) {
  const { vocabulary, charlm, classifier, kind } = metadata;
  const { unknown } = metadata.text;
  require(
    metadata.format_version >= 1 && metadata.format_version <= FORMAT_VERSION,
    "format_version is not known",
  );
  require(
    (charlm !== null) === (kind === "charlm") && (classifier !== null) === (kind === "classifier"),
    `it must have exactly the section of its kind, '${kind}'`,
  );
  const size = vocabulary.length;
  require(size > 0 && size <= MAX_VOCABULARY, "vocabulary is empty or too large");
  require(
    vocabulary.every((char) => char && char.length === String.fromCodePoint(codeOf(char)).length),
    "each vocabulary entry must be one Unicode character",
  );
  require(new Set(vocabulary).size === size, "vocabulary repeats a character");
  require(unknown === null || (unknown >= 0 && unknown < size), "text.unknown is not a token");
  const { normalizes, knows } = textChecks(metadata);
  if (charlm) {
    require(charlm.start !== "", "charlm.start is empty");
    require(normalizes(charlm.start), "charlm.start is changed by the text rules");
    require(knows(charlm.start), "charlm.start is not in vocabulary");
    const { start, end = start } = charlm;
    require(end === start, "charlm.end is not charlm.start");
    require(!charlm.end || charlm.end.length === String.fromCodePoint(codeOf(end)).length,
      "charlm.end is not one character");
  }
  if (classifier) checkClassifier(classifier, normalizes, knows);
  checkGolden(metadata);
}

/** @param {string} char */
const codeOf = (char) => /** @type {number} */ (char.codePointAt(0));

/** @param {Metadata} metadata */
function textChecks(metadata) {
  const vocabulary = new Vocabulary(metadata);
  const known = new Set(metadata.vocabulary);
  return {
    /** @param {string} text */
    normalizes: (text) => vocabulary.normalize(text) === text,
    /** @param {string} text */
    knows: (text) => Array.from(text).every((char) => known.has(char)),
  };
}

/**
 * @param {NonNullable<Metadata["classifier"]>} classifier
 * @param {(text: string) => boolean} normalizes
 * @param {(text: string) => boolean} knows
 */
function checkClassifier({ labels, begin, end, log_prior }, normalizes, knows) {
  require(labels.length > 0 && labels.length <= MAX_LABELS, "labels are missing or too many");
  require(new Set(labels).size === labels.length, "labels repeat");
  require(log_prior.length === labels.length, "log_prior needs one per label");
  require(knows(begin + end), "begin and end must be in vocabulary");
  require(normalizes(begin) && normalizes(end), "begin and end are changed by the text rules");
}

/** @param {Metadata} metadata */
function checkGolden({ golden, vocabulary, charlm, classifier }) {
  const { tokens, logits, uniform, generated } = golden;
  const outputs = (classifier?.labels ?? vocabulary).length;
  const all = charlm ? [...tokens, ...generated] : tokens;
  require(tokens.length > 0 && tokens.length <= MAX_GOLDEN, "golden.tokens is empty or too long");
  require(uniform.length <= MAX_GOLDEN, "golden.uniform is too long");
  require(all.every((t) => t >= 0 && t < vocabulary.length), "golden tokens are out of range");
  require(logits.length === outputs, "golden.logits has another width");
  require(generated.length === uniform.length, "golden needs one uniform per token");
  require((golden.tolerance ?? 1) > 0, "golden.tolerance is not positive");
  require(uniform.every((u) => u >= 0 && u < 1), "golden.uniform is out of range");
}
