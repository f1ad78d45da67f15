import { OptionError, shown, UnknownCharacterError } from "../errors.js";
import { must } from "../options.js";
import { checkSampling } from "./sampling.js";

/** A larger bias would take digits from the logits, which are float32. */
const MOST_BIAS = 1000;

/**
 * How a stream draws: the options, made ready for the vocabulary of a model.
 *
 * @typedef {object} OwnRule
 * @property {Float32Array | null} bias What is added to the logits, [n]. null: nothing.
 * @property {number} penalty The logarithm of the repetition penalty, float32.
 * @property {number | null} unknown The token that is never drawn. null: every token may be drawn.
 * @property {boolean} bySteps Whether the logits change before each draw, which no graph does.
 */
/** @typedef {OwnRule & import("./sampling.js").Filters} DrawRule */

/**
 * Check how to draw.
 *
 * @param {import("./sampling.js").Sampling} sampling
 * @param {import("../text/vocabulary.js").Vocabulary} vocabulary
 * @returns {DrawRule}
 * @throws {OptionError} an option is out of range.
 * @throws {UnknownCharacterError} a character of `logitBias` is not in the vocabulary.
 */
export function drawRule(sampling, vocabulary) {
  checkSampling(sampling);
  const { temperature, topK, topP, logitBias, repetitionPenalty } = sampling;
  let { unknown } = vocabulary;
  const { bias, named } = readBias(logitBias, vocabulary);
  if (bias) {
    if (named(unknown)) unknown = null;
    if (!bias.some((each, token) => each > -Infinity && token !== unknown)) {
      throw new OptionError("logitBias forbids every character; allow at least one");
    }
  }
  const penalty = Math.fround(Math.log(repetitionPenalty));
  return { temperature, topK, topP, bias, penalty, unknown, bySteps: Boolean(bias || penalty) };
}

/**
 * Return the bias [n] or null, and whether a token was given a number.
 *
 * @param {import("./sampling.js").LogitBias | null} given
 * @param {import("../text/vocabulary.js").Vocabulary} vocabulary
 * @returns {{bias: Float32Array | null, named: (token: any) => boolean}}
 */
function readBias(given, vocabulary) {
  const nothing = { bias: null, named: () => false };
  if (given === null) return nothing;
  const rule = "numbers by character, or one for each character of the vocabulary";
  must(typeof given === "object", "logitBias", rule, given);
  const { size } = vocabulary;
  if (Array.isArray(given) || ArrayBuffer.isView(given)) {
    const values = Array.from(/** @type {ArrayLike<number>} */ (given), checkLogit);
    if (!values.length) return nothing;
    must(values.length === size, "logitBias", `${size} numbers, one for each character`, values.length);
    return { bias: Float32Array.from(values), named: (token) => token !== null };
  }
  const pairs = given instanceof Map ? [...given] : Object.entries(given);
  if (!pairs.length) return nothing;
  const bias = new Float32Array(size);
  /** @type {Set<number>} */
  const named = new Set();
  for (const [char, value] of pairs) {
    const token = tokenOf(char, vocabulary);
    if (named.has(token)) throw new OptionError(`logitBias names ${shown(char)} twice; keep one of them`);
    named.add(token);
    bias[token] = checkLogit(value, char);
  }
  return { bias, named: (token) => named.has(token) };
}

/**
 * Return the token of a character, in any canonical form of it.
 *
 * @param {unknown} char
 * @param {import("../text/vocabulary.js").Vocabulary} vocabulary
 */
function tokenOf(char, vocabulary) {
  const normal = vocabulary.normalize(char);
  const known = vocabulary.encode(normal, "skip");
  if (!known.length && Array.from(normal).length === 1) {
    throw new UnknownCharacterError(
      `logitBias: character ${shown(char)} is not in the model's vocabulary; leave it out`,
    );
  }
  // A composed form may be two characters of the vocabulary, and two may be a composed one.
  if (known.length === 1 && [normal, normal.normalize("NFC")].includes(vocabulary.decode(known))) {
    return known[0];
  }
  throw new OptionError(`logitBias: ${shown(char)} is not one character; give each its own`);
}

/** @param {number} value @param {unknown} of */
function checkLogit(value, of) {
  const fits = value === -Infinity || (Number.isFinite(value) && Math.abs(value) <= MOST_BIAS);
  const rule = `from -${MOST_BIAS} to ${MOST_BIAS}, or -Infinity to forbid it`;
  must(fits, `logitBias of ${shown(of)}`, rule, value);
  return value;
}
