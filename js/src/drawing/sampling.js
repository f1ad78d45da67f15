/** How to draw a character from logits: the options, and the rule. The graph has the same rule. */

import { checkInteger, checkRange, must } from "../options.js";

/**
 * Numbers from -1000 to 1000 that are added to the logits: by character, or one for each character of
 * the vocabulary. `-Infinity` forbids a character.
 *
 * @typedef {Record<string, number> | Map<string, number> | ArrayLike<number>} LogitBias
 */

/**
 * How to draw a character.
 *
 * @typedef {object} Sampling
 * @property {number} temperature Divisor of the logits, from 0 to 1e6. 0: always the most likely
 *   character.
 * @property {number} topK Draw only from the k most likely characters and those tied with the k-th.
 *   0: from all.
 * @property {number} topP Draw only from the fewest most likely characters whose probabilities add
 *   up to this. 1: from all.
 * @property {LogitBias | null} logitBias What is added to the logits before all else. The file's
 *   unknown token is drawn only if it is given a number. A text with a bias is drawn character by
 *   character, which is slower.
 * @property {number} repetitionPenalty From 1 (off) to 100. A character's weight is divided by it once
 *   for each time that the character followed the same 5 characters within the last 256 that were
 *   drawn with a penalty. Slower, too.
 */

/** The options that a graph knows. @typedef {Pick<Sampling, "temperature" | "topK" | "topP">} Filters */

/** @type {Sampling} */
export const DEFAULT_SAMPLING = {
  temperature: 0.8,
  topK: 0,
  topP: 1,
  logitBias: null,
  repetitionPenalty: 1,
};

/**
 * Check all fields but `logitBias`, which needs a vocabulary.
 *
 * @param {Sampling} options
 * @throws {import("../errors.js").OptionError} one is out of range.
 */
export function checkSampling({ temperature, topK, topP, repetitionPenalty }) {
  checkRange("temperature", temperature, 0, 1e6);
  checkInteger("topK", topK, 0);
  must(topK < 2 ** 31, "topK", "0 (off) or a positive integer below 2^31", topK);
  must(Number.isFinite(topP) && topP > 0 && topP <= 1, "topP", "above 0 and at most 1", topP);
  checkRange("repetitionPenalty", repetitionPenalty, 1, 100);
}

const round = Math.fround;
const BELOW_ONE = 1 - 2 ** -24;

/**
 * Return the weight of each logit, relative to the largest, in float32.
 *
 * @param {Float32Array} logits
 * @param {number} scale
 */
export function weights(logits, scale = 1) {
  const best = logits.reduce((a, b) => (b > a || b !== b ? b : a), -Infinity);
  return logits.map((each) => Math.exp(round(round(each - best) * scale)));
}

/**
 * Return the probability of each logit, in float32. They are NaN if a logit is NaN or infinite.
 * @param {Float32Array} logits
 */
export function softmax(logits) {
  const weight = weights(logits);
  const sum = weight.reduce((a, b) => a + b, 0);
  return weight.map((each) => each / sum);
}

/**
 * Return the sums of the first 1, 2, … values, in float32.
 * @param {Float32Array} values
 */
function cumulative(values) {
  let sum = 0;
  return values.map((each) => (sum = round(sum + each)));
}

/**
 * Draw one token by inverse CDF. The graph of a model file follows the same rule.
 *
 * @param {Float32Array} logits [n]
 * @param {number} uniform in [0, 1)
 * @param {Filters} filters
 * @param {number | null} [hidden] A token that is not drawn. Where the rule gives it, the place of the
 *   number within the range that gave it is the number of a second draw, as in Python.
 * @returns {number} The token. 0 if the largest logit is NaN or infinite.
 */
export function draw(logits, uniform, filters, hidden = null) {
  const { sums, target } = passing(logits, uniform, filters);
  const token = sums.reduce((all, sum) => all + (sum <= target ? 1 : 0), 0);
  if (token !== hidden) return token;
  const below = token ? sums[token - 1] : 0;
  const share = round(round(target - below) / round(sums[token] - below)) || 0;
  const others = logits.slice();
  others[token] = -Infinity;
  return draw(others, Math.max(0, Math.min(share, BELOW_ONE)), filters);
}

/**
 * Return the sums of the weights, and the sum that the drawn token passes.
 *
 * @param {Float32Array} logits
 * @param {number} uniform
 * @param {Filters} filters
 */
function passing(logits, uniform, { temperature, topK, topP }) {
  // At temperature 0 the huge factor leaves weight only to the maximum.
  const scale = round(Math.min(round(1 / round(temperature)), 1e30));
  const share = round(topP);
  let weight = weights(logits, scale);
  if (topK || share < 1) {
    const least = threshold(logits, scale, topK, share);
    weight = weight.map((each, i) => each * (logits[i] >= least ? 1 : 0)); // NaN stays NaN
  }
  const sums = cumulative(weight);
  const own = round(temperature) ? Math.min(uniform, BELOW_ONE) : 0;
  return { sums, target: round(own * sums[sums.length - 1]) };
}

/**
 * Return the smallest logit that top-k and top-p keep.
 *
 * @param {Float32Array} logits
 * @param {number} scale
 * @param {number} topK
 * @param {number} topP
 */
function threshold(logits, scale, topK, topP) {
  const ranked = logits.slice().sort().reverse().subarray(0, topK || logits.length);
  const weight = weights(ranked, scale);
  const sums = cumulative(weight);
  const limit = topP < 1 ? round(topP * sums[sums.length - 1]) : Infinity;
  const kept = sums.filter((sum, i) => round(sum - weight[i]) < limit).length;
  return ranked[Math.max(kept - 1, 0)];
}
