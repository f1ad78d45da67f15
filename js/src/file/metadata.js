/**
 * The metadata document of a model file: its schema, and the rules that its values must keep.
 * Names are those of the document.
 */

import { ModelFileError, WrongKindError } from "../errors.js";
import { normalize } from "../text/normalize.js";

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
 *   held_out?: {rows: number, scores: number[]}, noise?: number[]} | null} classifier
 * @property {Record<string, boolean | string | number>} training Facts about the training.
 * @property {Record<string, number>} proof The largest differences that the exporter measured.
 * @property {{tokens: number[], logits: number[], uniform: number[], generated: number[], tolerance?: number}} golden
 *   A recorded run.
 */

/**
 * How values look. A text names a kind of value, or is a choice "a|b"; "*" after it: an array of
 * such, "%": an object of such by any key, "?": or null. An object: those keys. A key with "?" may be
 * missing: it came with version 2 of the format.
 *
 * @typedef {string | {[key: string]: Form}} Form
 */

/**
 * A kind of model: the form of its section, and the check of the section's values.
 *
 * @typedef {object} Kind
 * @property {Form} form
 * @property {(section: any, require: Require, fits: (text: string, name: string) => void) => void} check
 */

/** @typedef {Partial<Record<"charlm" | "classifier", Kind>>} Kinds */
/** @typedef {(condition: unknown, otherwise: string) => void} Require */

export const METADATA_KEY = "rnn_model";
const FORMAT_VERSION = 2;
const MAX_VOCABULARY = 100_000;
const MAX_GOLDEN = 1024;

/** @type {Form} */
const DOCUMENT = {
  format_version: "integer",
  kind: "charlm|classifier",
  producer: "text",
  text: { normalization: "none|NFC", newlines: "keep|lf", unknown: "integer?" },
  vocabulary: "text*",
  charlm: "section",
  classifier: "section",
  training: "fact%",
  proof: "number%",
  golden: {
    tokens: "integer*",
    logits: "number*",
    uniform: "number*",
    generated: "integer*",
    "tolerance?": "number",
  },
};

/** @param {any} value */
const isText = (value) => typeof value === "string" && value.isWellFormed();

/** What a value of a kind is called, and which values are of it. */
/** @type {Record<string, [string, (value: any) => boolean]>} */
const LEAVES = {
  text: ["Unicode text", isText],
  integer: ["an integer", Number.isSafeInteger],
  number: ["a number", Number.isFinite],
  fact: [
    "a truth value, a text or a number",
    (value) => typeof value === "boolean" || Number.isFinite(value) || isText(value),
  ],
  section: ["an object or null", (value) => typeof value === "object"],
};

/** @param {string} what @returns {never} */
function bad(what) {
  throw new ModelFileError(`bad metadata: ${what}; export the file again`);
}

/** @type {Require} */
const require = (condition, otherwise) => condition || bad(otherwise);

/**
 * Check the form of a value.
 *
 * @param {Form} form @param {any} value @param {string} where
 * @returns {boolean} whether it has a key of version 2
 */
function check(form, value, where) {
  if (typeof form === "object") return checkKeys(form, value, where);
  const [item, many] = [form.slice(0, -1), form.at(-1)];
  if (many === "?") return value !== null && check(item, value, where);
  if (many === "*") {
    require(Array.isArray(value), `${where}: expected an array`);
    value.forEach((/** @type {any} */ each, /** @type {number} */ i) => check(item, each, `${where}[${i}]`));
  } else if (many === "%") {
    requireObject(value, where);
    for (const key in value) check(item, value[key], `${where}.${key.slice(0, 80)}`);
  } else {
    const choice = form.split("|");
    const [name, fits] = LEAVES[form] ?? [
      `one of ${choice.join(", ")}`,
      (/** @type {any} */ each) => choice.includes(each),
    ];
    require(fits(value), `${where}: expected ${name}`);
  }
  return false;
}

/** @param {any} value @param {string} where */
const requireObject = (value, where) =>
  require(value && typeof value === "object" && !Array.isArray(value), `${where}: expected an object`);

/** @param {{[key: string]: Form}} form @param {any} value @param {string} where */
function checkKeys(form, value, where) {
  requireObject(value, where);
  for (const key in value) {
    const known = Object.hasOwn(form, key) || Object.hasOwn(form, key + "?");
    require(known, `${where}: unknown key '${key.slice(0, 80)}'`);
  }
  let newer = false;
  for (const name in form) {
    const key = name.replace("?", "");
    const has = Object.hasOwn(value, key);
    require(has || key !== name, `${where}: key '${key}' is missing`);
    if (has) newer = check(form[name], value[key], `${where}.${key}`) || key !== name || newer;
  }
  return newer;
}

/**
 * Parse and check the metadata document.
 *
 * @param {string} source the JSON text
 * @param {Kinds} kinds the kinds of model that the caller can use
 * @returns {Metadata}
 * @throws {ModelFileError} it breaks a rule.
 * @throws {WrongKindError} it is of another kind.
 */
export function parseMetadata(source, kinds) {
  let value;
  try {
    value = JSON.parse(source);
  } catch (error) {
    bad(`metadata: is not valid JSON (${/** @type {Error} */ (error).message.split("\n")[0]})`);
  }
  require(!repeatsKey(source), "metadata: repeats a key");
  if (value?.format_version > FORMAT_VERSION) {
    throw new ModelFileError(
      `format version ${value.format_version} is newer than ${FORMAT_VERSION}, ` +
        "the newest that this rnn-infer reads; upgrade it",
    );
  }
  let newer = check(DOCUMENT, value, "metadata");
  const { kind, format_version } = value;
  const [other] = ["charlm", "classifier"].filter((each) => each !== kind);
  require(format_version >= 1, "format_version is not known");
  require(value[kind] && !value[other], `it must have exactly the section of its kind, '${kind}'`);
  const own = Reflect.get(kinds, kind);
  if (!own) throw new WrongKindError(WRONG_KIND[/** @type {"charlm"} */ (kind)]);
  newer = check(own.form, value[kind], `metadata.${kind}`) || newer;
  require(!newer || format_version > 1, "its keys need format_version 2");
  checkText(value, own);
  checkGolden(value);
  return value;
}

const WRONG_KIND = {
  charlm: "is a character model, not a classifier; use CharLM.load",
  classifier: "is a classifier, not a character model; use Classifier.load",
};

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

/** @param {Metadata} metadata @param {Kind} kind */
function checkText(metadata, kind) {
  const { vocabulary, text: rules } = metadata;
  const size = vocabulary.length;
  const known = new Set(vocabulary);
  require(size > 0 && size <= MAX_VOCABULARY, "vocabulary is empty or too large");
  const single = vocabulary.every((char) => Array.from(char).length === 1);
  require(single, "each vocabulary entry must be one Unicode character");
  require(known.size === size, "vocabulary repeats a character");
  const { unknown } = rules;
  require(unknown === null || (unknown >= 0 && unknown < size), "text.unknown is not a token");
  kind.check(metadata[metadata.kind], require, (text, name) => {
    require(Array.from(text).every((char) => known.has(char)), `${name} is not in vocabulary`);
    require(normalize(text, rules) === text, `${name} is changed by the text rules`);
  });
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
