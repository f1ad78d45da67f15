/**
 * Drawing the next tokens of a batch. The graph of the file draws many tokens in one call. Where the
 * logits must change before a draw, and for a file that does not draw, each token is one call.
 */

import { gather, scatter } from "../runtime/reading.js";
import { NO_STEP } from "../runtime/stepper.js";
import { repetitions, WINDOW } from "./repetition.js";
import { draw } from "./sampling.js";

/** @typedef {import("../runtime/stepper.js").State} State */
/** @typedef {import("../runtime/stepper.js").Stepper} Stepper */
/** @typedef {import("./draw_rule.js").DrawRule} DrawRule */

/** In `tokens` of a fixed-step file: take the token drawn at the step before. */
const DRAWN = -1;

/**
 * Where the rows of a batch stand. It is never changed in place.
 *
 * @typedef {object} Place
 * @property {number[]} pending The last token of each row, which the state has not read.
 * @property {State} state
 * @property {number[][]} recent The last tokens that each row drew with a repetition penalty.
 */

/**
 * Draw the next tokens of each row.
 *
 * @param {Stepper} stepper
 * @param {Place} place
 * @param {Float32Array[]} uniform [batch, count] in [0, 1), count ≥ 1
 * @param {DrawRule} rule
 * @returns {Promise<{drawn: number[][], place: Place}>} tokens [batch, count], and where the rows
 *   stand then
 */
export async function drawTokens(stepper, place, uniform, rule) {
  if (rule.bySteps || !stepper.file.generates) return drawBySteps(stepper, place, uniform, rule);
  const { drawn, state } = await drawInGraph(stepper, place, uniform, rule);
  const { unknown } = rule;
  // The unknown token is not drawn, which a graph does not know. It is rare: draw such a row anew.
  const rows = [...drawn.keys()].filter((row) => unknown !== null && drawn[row].includes(unknown));
  const batch = drawn.length;
  let own = state;
  if (rows.length) {
    const some = { ...place, pending: rows.map((row) => place.pending[row]) };
    some.state = gather(place.state, rows, batch);
    const numbers = rows.map((row) => uniform[row]);
    const found = await drawBySteps(stepper, some, numbers, rule);
    rows.forEach((row, i) => (drawn[row] = found.drawn[i]));
    own = scatter(state, rows, batch, found.place.state);
  }
  return { drawn, place: { ...place, pending: lastOf(drawn), state: own } };
}

/** @param {number[][]} drawn */
const lastOf = (drawn) => drawn.map((row) => row[row.length - 1]);

/** @param {Stepper} stepper @param {Place} place @param {Float32Array[]} uniform @param {DrawRule} rule */
async function drawInGraph(stepper, { pending, state }, uniform, rule) {
  const count = uniform[0].length;
  const { steps, outputs } = stepper.file;
  const size = steps ?? count;
  /** @type {number[][]} */
  const drawn = pending.map(() => []);
  for (let begin = 0; begin < count; begin += size) {
    const own = Math.min(size, count - begin);
    const numbers = new Float32Array(uniform.length * size);
    uniform.forEach((row, i) => numbers.set(row.subarray(begin, begin + own), i * size));
    const tokens = pending.map((token) => [
      token,
      ...Array.from({ length: steps ? size - 1 : 0 }, (_, i) => (i + 1 < own ? DRAWN : NO_STEP)),
    ]);
    const found = await stepper.call("generated", tokens, state, { ...rule, uniform: numbers });
    drawn.forEach((row, i) => {
      for (let at = i * size; at < i * size + own; at += 1) row.push(Number(found.values[at]));
    });
    pending = lastOf(drawn);
    state = found.state;
  }
  if (drawn.some((row) => row.some((token) => !(token >= 0 && token < outputs)))) {
    throw stepper.broken("draws tokens outside its vocabulary");
  }
  return { drawn, state };
}

/** @param {Stepper} stepper @param {Place} place @param {Float32Array[]} uniform @param {DrawRule} rule */
async function drawBySteps(stepper, { pending, state, recent }, uniform, rule) {
  const n = stepper.file.outputs;
  /** @type {number[][]} */
  const drawn = pending.map(() => []);
  for (let step = 0; step < uniform[0].length; step += 1) {
    const read = await stepper.forward(pending.map((token) => [token]), state);
    state = read.state;
    pending = uniform.map((numbers, row) => {
      const logits = read.logits.subarray(row * n, (row + 1) * n);
      changeLogits(logits, recent[row], rule);
      // Without this check a forbidden token 0 could come.
      if (rule.bySteps && !Number.isFinite(logits.reduce(largest))) throw stepper.notFinite();
      return draw(logits, numbers[step], rule, rule.unknown);
    });
    pending.forEach((token, row) => drawn[row].push(token));
    if (rule.penalty) recent = recent.map((row, i) => [...row.slice(1 - WINDOW), pending[i]]);
  }
  return { drawn, place: { pending, state, recent } };
}

/** The larger of two numbers, or NaN. @param {number} a @param {number} b */
const largest = (a, b) => Math.max(a, b);

/** @param {Float32Array} logits @param {number[]} recent @param {DrawRule} rule */
function changeLogits(logits, recent, { bias, penalty }) {
  bias?.forEach((each, token) => (logits[token] += each));
  if (!penalty) return;
  for (const [token, times] of repetitions(recent)) logits[token] -= Math.fround(penalty * times);
}
