import { OptionError } from "../errors.js";
import { must } from "../options.js";

/**
 * A seed: an integer from 0 to 2^64 - 1. Above 2^53 it must be a BigInt.
 * @typedef {number | bigint} Seed
 */

/**
 * Return a seed as a BigInt.
 *
 * @param {Seed} seed
 * @throws {OptionError} it is not an integer from 0 to 2^64 - 1.
 */
export function checkSeed(seed) {
  const whole = typeof seed === "bigint" || Number.isSafeInteger(seed);
  const rule = "an integer from 0 to 2^64 - 1 (above 2^53 a BigInt)";
  must(whole && seed >= 0 && !(BigInt(seed) >> 64n), "seed", rule, seed);
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
    if (seed.length === count) return seed.map(checkSeed);
    throw new OptionError(`give one seed a stream: ${count}, got ${seed.length}`);
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
