import { OptionError } from "./errors.js";
import { checkInteger } from "./options.js";

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
 */

/**
 * A seed: an integer from 0 to 2^64 - 1. Above 2^53 it must be a BigInt.
 * @typedef {number | bigint} Seed
 */

/** @type {Sampling} */
export const DEFAULT_SAMPLING = { temperature: 0.8, topK: 0, topP: 1 };

/**
 * Check the fields of `Sampling`, and return them alone.
 *
 * @param {Sampling} options
 * @returns {Sampling}
 * @throws {OptionError} one is out of range.
 */
export function checkSampling({ temperature, topK, topP }) {
  if (!(temperature >= 0 && temperature <= 1e6)) {
    throw new OptionError(`temperature must be from 0 to 1e6, got ${temperature}`);
  }
  if (!Number.isInteger(topK) || topK < 0 || topK >= 2 ** 31) {
    throw new OptionError(`topK must be 0 (off) or a positive integer, got ${topK}`);
  }
  if (!(topP > 0 && topP <= 1)) {
    throw new OptionError(`topP must be above 0 and at most 1, got ${topP}`);
  }
  return { temperature, topK, topP };
}

/**
 * Return a seed as a BigInt.
 *
 * @param {Seed} seed
 * @throws {OptionError} it is not an integer from 0 to 2^64 - 1.
 */
export function checkSeed(seed) {
  const whole = typeof seed === "bigint" || Number.isSafeInteger(seed);
  if (!whole || seed < 0 || BigInt(seed) >> 64n) {
    throw new OptionError(
      `seed must be an integer from 0 to 2^64 - 1 (above 2^53 a BigInt), got ${seed}`,
    );
  }
  return BigInt(seed);
}

/**
 * Return one seed per stream: the given list, or `seed + i` for stream i, or fresh seeds.
 *
 * @param {Seed | Seed[] | null} seed
 * @param {number} count
 * @throws {OptionError} the list has another length, or a seed is out of range.
 */
export function seedsFor(seed, count) {
  if (Array.isArray(seed)) {
    if (seed.length !== count) {
      throw new OptionError(`${count} streams need ${count} seeds, got ${seed.length}`);
    }
    return seed.map(checkSeed);
  }
  const first = checkSeed(seed ?? crypto.getRandomValues(new Uint32Array(1))[0]);
  return Array.from({ length: count }, (_, i) => checkSeed(first + BigInt(i)));
}

/**
 * Return a seed as callers see it: a number if it fits.
 *
 * @param {bigint} seed
 * @returns {Seed}
 */
export const shownSeed = (seed) => (seed <= Number.MAX_SAFE_INTEGER ? Number(seed) : seed);

const round = Math.fround;

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
 * @param {Sampling} sampling
 * @returns {number} The token. 0 if the largest logit is NaN or infinite.
 */
export function draw(logits, uniform, sampling) {
  const { sums, target } = passing(logits, uniform, sampling);
  return sums.reduce((token, sum) => token + (sum <= target ? 1 : 0), 0);
}

/**
 * Draw from all tokens but one. Where `draw` gives that one, the place of the number within the range
 * that gave it is the number of a second draw, as in Python.
 *
 * @param {Float32Array} logits [n]
 * @param {number} uniform in [0, 1)
 * @param {Sampling} sampling
 * @param {number} hidden the token that is not drawn
 */
export function drawWithout(logits, uniform, sampling, hidden) {
  const token = draw(logits, uniform, sampling);
  if (token !== hidden) return token;
  const { sums, target } = passing(logits, uniform, sampling);
  const below = hidden ? sums[hidden - 1] : 0;
  const share = round(round(target - below) / round(sums[hidden] - below));
  const others = logits.slice();
  others[hidden] = -Infinity;
  return draw(others, Math.max(0, Math.min(share || 0, 1 - 2 ** -24)), sampling);
}

/**
 * Return the sums of the weights, and the sum that the drawn token passes.
 *
 * @param {Float32Array} logits
 * @param {number} uniform
 * @param {Sampling} sampling
 */
function passing(logits, uniform, { temperature, topK, topP }) {
  // At temperature 0 the huge factor leaves weight only to the maximum.
  const scale = round(Math.min(round(1 / round(temperature)), 1e30));
  let weight = weights(logits, scale);
  if (topK || round(topP) < 1) {
    const least = threshold(logits, scale, topK, round(topP));
    weight = weight.map((each, i) => each * (logits[i] >= least ? 1 : 0)); // NaN stays NaN
  }
  const sums = cumulative(weight);
  const share = round(temperature) ? Math.min(uniform, 1 - 2 ** -24) : 0;
  return { sums, target: round(share * sums[sums.length - 1]) };
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

/**
 * Check the options of a generation.
 *
 * @param {number} length
 * @param {number} chunk
 */
export function checkLengths(length, chunk) {
  checkInteger("length", length, 0);
  checkInteger("chunk", chunk, 1);
}
