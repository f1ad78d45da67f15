/** Reading many texts in batches, and the logits after the last token of each. */

import { chunkLength, gather } from "./reading.js";

/** Texts per call. */
const BATCH = 96;

/**
 * Read each row from the zero state, and return the logits after its last token.
 *
 * @param {import("./stepper.js").Stepper} stepper
 * @param {number[][]} rows none is empty
 */
export async function lastLogits(stepper, rows) {
  /** @type {Float32Array[]} */
  const found = [];
  // Sorted by length, so that a batch needs little padding.
  const order = [...rows.keys()].sort((a, b) => rows[a].length - rows[b].length);
  for (let begin = 0; begin < order.length; begin += BATCH) {
    const some = order.slice(begin, begin + BATCH);
    const own = await readBatch(stepper, some.map((row) => rows[row]));
    some.forEach((row, i) => (found[row] = own[i]));
  }
  return found;
}

/**
 * Read rows, the shortest first, in one batch. Shorter rows are padded after their last token, and
 * leave the batch at the first call that they have no token for.
 *
 * @param {import("./stepper.js").Stepper} stepper
 * @param {number[][]} rows
 */
async function readBatch(stepper, rows) {
  const longest = rows[rows.length - 1].length;
  const { outputs } = stepper.file;
  const size = chunkLength(stepper, rows.length);
  /** @type {Float32Array[]} */
  const found = [];
  let state = stepper.zeros(rows.length);
  let going = rows;
  for (let begin = 0; begin < longest; begin += size) {
    const time = Math.min(size, longest - begin);
    const gone = going.findIndex((row) => row.length > begin);
    if (gone) state = gather(state, [...going.keys()].slice(gone), going.length);
    going = going.slice(gone);
    const padded = going.map((row) => Array.from({ length: time }, (_, i) => row[begin + i] ?? 0));
    const read = await stepper.forward(padded, state);
    state = read.state;
    going.forEach((row, i) => {
      if (row.length > begin + size) return;
      const last = (i * time + row.length - 1 - begin) * outputs;
      found[rows.length - going.length + i] = read.logits.slice(last, last + outputs);
    });
  }
  return found;
}
