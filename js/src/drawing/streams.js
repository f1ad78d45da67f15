/** Independent streams of tokens in one batch: the state and the random numbers of each. */

import { gather, readRagged } from "../runtime/reading.js";
import { drawTokens } from "./drawing.js";
import { uniforms } from "./philox.js";

/**
 * What some streams are at one moment. It is never changed in place.
 *
 * @typedef {object} OwnMoment
 * @property {number[]} positions How many random numbers each stream has used.
 * @property {boolean} started Whether any text was read. Before that, `pending` has no meaning.
 */
/** @typedef {OwnMoment & import("./drawing.js").Place} Moment */

/**
 * A batch of streams. Drawing starts from the logits after the last token. So the last token is read
 * together with the next draw, and no logits need to be kept.
 */
export class Streams {
  #stepper;

  /**
   * @param {import("../runtime/stepper.js").Stepper} stepper
   * @param {bigint[]} seeds one per stream
   * @param {Moment} [moment]
   */
  constructor(stepper, seeds, moment) {
    this.#stepper = stepper;
    this.seeds = seeds;
    /** @type {Moment} */
    this.moment = moment ?? {
      state: stepper.zeros(seeds.length),
      pending: seeds.map(() => 0),
      positions: seeds.map(() => 0),
      recent: seeds.map(() => []),
      started: false,
    };
  }

  /**
   * Read one token sequence per stream. Lengths may differ. In the first call none may be empty.
   * @param {number[][]} texts
   */
  async feed(texts) {
    const { state, pending, started } = this.moment;
    const all = started ? texts.map((tokens, i) => [pending[i], ...tokens]) : texts;
    const before = all.map((tokens) => tokens.slice(0, -1));
    this.moment = {
      ...this.moment,
      state: await readRagged(this.#stepper, state, before),
      pending: all.map((tokens) => tokens[tokens.length - 1]),
      started: true,
    };
  }

  /** Go back to the zero state, with one token pending. The random numbers go on. @param {number} token */
  restart(token) {
    const pending = this.seeds.map(() => token);
    const state = this.#stepper.zeros(pending.length);
    this.moment = { ...this.moment, state, pending, started: true };
  }

  /** Return the logits of the next token, [batch, n]. The streams do not change. */
  async logits() {
    const { pending, state } = this.moment;
    return (await this.#stepper.forward(pending.map((token) => [token]), state)).logits;
  }

  /**
   * Draw the next tokens of each stream, [batch, count].
   *
   * @param {number} count 1 or more
   * @param {import("./draw_rule.js").DrawRule} rule
   */
  async draw(count, rule) {
    const { positions } = this.moment;
    const numbers = this.seeds.map((seed, i) => uniforms(seed, positions[i], count));
    const { drawn, place } = await drawTokens(this.#stepper, this.moment, numbers, rule);
    this.moment = { ...this.moment, ...place, positions: positions.map((each) => each + count) };
    return drawn;
  }

  /**
   * Keep these streams, and drop the others.
   * @param {number[]} rows
   */
  keep(rows) {
    const { state, pending, positions, recent } = this.moment;
    this.moment = {
      ...this.moment,
      state: gather(state, rows, pending.length),
      pending: rows.map((row) => pending[row]),
      positions: rows.map((row) => positions[row]),
      recent: rows.map((row) => recent[row]),
    };
    this.seeds = rows.map((row) => this.seeds[row]);
  }
}
