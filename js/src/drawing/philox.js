/**
 * Random numbers of the generator Philox 4×64 with 10 rounds (Salmon et al., "Parallel random
 * numbers: as easy as 1, 2, 3", 2011). The sequence is that of
 * `numpy.random.Generator(numpy.random.Philox(key=seed)).random(dtype=numpy.float32)`.
 */

const WORD = (1n << 64n) - 1n;
const MULTIPLIERS = [0xd2e7470ee14c6c93n, 0xca5a826395121157n];
const WEYL = [0x9e3779b97f4a7c15n, 0xbb67ae8584caa73bn];
const ROUNDS = 10;
/** A block has four words of 64 bits, and a number uses half a word. */
const PER_BLOCK = 8;

/**
 * Return the four 64-bit words of one block.
 *
 * @param {bigint} seed from 0 to 2^64 - 1
 * @param {bigint} counter the first block of a sequence has 1
 */
export function block(seed, counter) {
  let [a, b, c, d] = [counter & WORD, counter >> 64n, 0n, 0n];
  let [left, right] = [seed, 0n];
  for (let round = 0; round < ROUNDS; round += 1) {
    const first = MULTIPLIERS[0] * a;
    const second = MULTIPLIERS[1] * c;
    [a, b, c, d] = [
      (second >> 64n) ^ b ^ left,
      second & WORD,
      (first >> 64n) ^ d ^ right,
      first & WORD,
    ];
    left = (left + WEYL[0]) & WORD;
    right = (right + WEYL[1]) & WORD;
  }
  return [a, b, c, d];
}

/**
 * Return some numbers of the sequence of a seed, each in [0, 1) and a multiple of 2^-24.
 *
 * @param {bigint} seed from 0 to 2^64 - 1
 * @param {number} position how many numbers of the sequence come before them
 * @param {number} count
 */
export function uniforms(seed, position, count) {
  const found = new Float32Array(count);
  let words = /** @type {bigint[]} */ ([]);
  for (let i = 0; i < count; i += 1) {
    const place = (position + i) % PER_BLOCK;
    if (i === 0 || place === 0) {
      words = block(seed, BigInt((position + i - place) / PER_BLOCK + 1));
    }
    const word = words[place >> 1];
    const half = place % 2 ? word >> 32n : word & 0xffffffffn;
    found[i] = Number(half >> 8n) * 2 ** -24;
  }
  return found;
}
