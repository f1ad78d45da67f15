/** Reading texts of different lengths in one batch, in calls that need bounded memory. */

import { pause } from "../pause.js";

/** @typedef {import("./stepper.js").State} State */

/** Tokens per stream and call, at most. A page stands still for the time of a call. */
const MAX_CHUNK = 256;
/** Logits per call, about. */
const CHUNK_LOGITS = 2 ** 22;

/**
 * Return some rows of a state.
 *
 * @param {State} state
 * @param {number[]} rows
 * @param {number} batch the rows that it has
 * @returns {State}
 */
export const gather = (state, rows, batch) =>
  state.map((values) => {
    const width = values.length / batch;
    const found = new Float32Array(rows.length * width);
    rows.forEach((row, i) => found.set(values.subarray(row * width, (row + 1) * width), i * width));
    return found;
  });

/**
 * Return a state in which some rows are replaced.
 *
 * @param {State} state
 * @param {number[]} rows
 * @param {number} batch the rows that it has
 * @param {State} own the new rows
 * @returns {State}
 */
export const scatter = (state, rows, batch, own) =>
  state.map((values, i) => {
    const whole = values.slice();
    const width = values.length / batch;
    rows.forEach((row, at) => whole.set(own[i].subarray(at * width, (at + 1) * width), row * width));
    return whole;
  });

/**
 * Read one text per row, and return the state after it. The rows are read together up to the end of
 * the shortest, then the remaining ones, and so on. So nothing is padded.
 *
 * @param {import("./stepper.js").Stepper} stepper
 * @param {State} state
 * @param {number[][]} texts
 */
export async function readRagged(stepper, state, texts) {
  const batch = texts.length;
  const chunk = chunkLength(stepper, batch);
  for (let done = 0; ; ) {
    const rows = [...texts.keys()].filter((row) => texts[row].length > done);
    if (!rows.length) return state;
    const until = Math.min(done + chunk, ...rows.map((row) => texts[row].length));
    const tokens = rows.map((row) => texts[row].slice(done, until));
    const own = await stepper.consume(tokens, gather(state, rows, batch));
    state = scatter(state, rows, batch, own);
    done = until;
    await pause();
  }
}

/**
 * Return how many tokens to read per call, so that the logits do not take too much memory.
 *
 * @param {import("./stepper.js").Stepper} stepper
 * @param {number} batch
 */
export function chunkLength(stepper, batch) {
  const most = Math.floor(CHUNK_LOGITS / (stepper.file.outputs * batch));
  return Math.max(1, Math.min(MAX_CHUNK, most));
}
