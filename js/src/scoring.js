import { pause } from "./pause.js";
import { chunkLength } from "./runtime/reading.js";

/**
 * How well a model predicts a text that it reads once, from start to end.
 *
 * @typedef {object} Score
 * @property {number} natsPerChar Mean cross-entropy: nats per scored character.
 * @property {number} bitsPerChar Mean cross-entropy in bits per scored character.
 * @property {number} perplexity exp(nats per character).
 * @property {number} characters Scored characters: all but the first, which has no prediction. Of a
 *   model of documents: all but the mark at the start.
 * @property {Float32Array} nats The cross-entropy of each scored character.
 */

/**
 * Score a sequence, read once from the zero state.
 *
 * @param {import("./runtime/stepper.js").Stepper} stepper
 * @param {number[]} tokens two or more
 * @param {number | null} mark the token between documents: each is read from the zero state
 * @returns {Promise<Score>}
 */
export async function score(stepper, tokens, mark) {
  const n = stepper.file.outputs;
  const characters = tokens.length - 1;
  const nats = new Float32Array(characters);
  const size = chunkLength(stepper, 1);
  let total = 0;
  let state = stepper.zeros(1);
  for (let begin = 0, end = 0; begin < characters; begin = end) {
    const next = tokens.indexOf(mark ?? -1, begin + 1);
    end = Math.min(begin + size, next > 0 ? next : characters, characters);
    if (tokens[begin] === mark) state = stepper.zeros(1);
    const read = await stepper.forward([tokens.slice(begin, end)], state);
    state = read.state;
    await pause();
    for (let i = begin; i < end; i += 1) {
      const row = read.logits.subarray((i - begin) * n, (i - begin + 1) * n);
      total += nats[i] = crossEntropy(row, tokens[i + 1]);
    }
  }
  if (Number.isNaN(total)) throw stepper.notFinite();
  const natsPerChar = total / characters;
  return {
    natsPerChar,
    bitsPerChar: natsPerChar / Math.LN2,
    perplexity: Math.exp(natsPerChar),
    characters,
    nats,
  };
}

/**
 * @param {Float32Array} logits
 * @param {number} target
 */
function crossEntropy(logits, target) {
  const best = logits.reduce((a, b) => Math.max(a, b));
  const sum = logits.reduce((all, each) => all + Math.exp(each - best), 0);
  return Math.log(sum) - (logits[target] - best);
}
