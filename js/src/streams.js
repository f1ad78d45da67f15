/** Independent streams of tokens in one batch: the state and the random numbers of each. */

import { pause } from "./pause.js";
import { uniforms } from "./philox.js";
import { drawWithout } from "./sampling.js";

/** @typedef {import("./stepper.js").State} State */

/** Tokens per stream and call, at most. A page stands still for the time of a call. */
const MAX_CHUNK = 256;
/** Logits per call, about. */
const CHUNK_LOGITS = 2 ** 22;

/**
 * What some streams are at one moment. It is never changed in place.
 *
 * @typedef {object} Moment
 * @property {State} state The state, which has read all tokens but the pending ones.
 * @property {number[]} pending The last token of each stream.
 * @property {number[]} positions How many random numbers each stream has used.
 * @property {boolean} started Whether any text was read. Before that, `pending` has no meaning.
 */

/**
 * A batch of streams. Drawing starts from the logits after the last token. So the last token is read
 * together with the next draw, and no logits need to be kept.
 */
export class Streams {
  #stepper;

  /**
   * @param {import("./stepper.js").Stepper} stepper
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
      started: false,
    };
  }

  /**
   * Read one token sequence per stream. Lengths may differ. In the first call none may be empty.
   * @param {number[][]} texts
   */
  async feed(texts) {
    const { state, pending, positions, started } = this.moment;
    const all = started ? texts.map((tokens, i) => [pending[i], ...tokens]) : texts;
    const before = all.map((tokens) => tokens.slice(0, -1));
    this.moment = {
      state: await readRagged(this.#stepper, state, before),
      pending: all.map((tokens) => tokens[tokens.length - 1]),
      positions,
      started: true,
    };
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
   * @param {import("./sampling.js").Sampling} sampling
   */
  async draw(count, sampling) {
    const { state, pending, positions } = this.moment;
    const uniform = this.seeds.map((seed, i) => uniforms(seed, positions[i], count));
    const found = await this.#stepper.draw(pending, state, uniform, sampling);
    const { unknown } = this.#stepper.file.metadata.text;
    for (const [row, drawn] of found.drawn.entries()) {
      if (unknown === null || !drawn.includes(unknown)) continue;
      const own = state.map((each) => gather(each, [row], each.length / pending.length));
      const known = await this.#drawKnown(pending[row], own, uniform[row], sampling, unknown);
      found.drawn[row] = known.tokens;
      found.state.forEach((each, i) => each.set(known.state[i], row * known.state[i].length));
    }
    this.moment = {
      state: found.state,
      pending: found.drawn.map((row) => row[count - 1]),
      positions: positions.map((each) => each + count),
      started: true,
    };
    return found.drawn;
  }

  /**
   * Draw the next tokens of one stream. Where the graph draws the unknown token, draw again.
   *
   * @param {number} pending @param {State} state @param {Float32Array} uniform
   * @param {import("./sampling.js").Sampling} sampling @param {number} unknown
   */
  async #drawKnown(pending, state, uniform, sampling, unknown) {
    /** @type {number[]} */
    const tokens = [];
    while (tokens.length < uniform.length) {
      const left = uniform.subarray(tokens.length);
      const found = await this.#stepper.draw([pending], state, [left], sampling);
      const [drawn] = found.drawn;
      const at = drawn.indexOf(unknown);
      if (at < 0) return { tokens: [...tokens, ...drawn], state: found.state };
      const read = [pending, ...drawn.slice(0, at)];
      state = await this.#stepper.consume([read.slice(0, -1)], state);
      const now = await this.#stepper.forward([read.slice(-1)], state);
      state = now.state;
      pending = drawWithout(now.logits, left[at], sampling, unknown);
      tokens.push(...drawn.slice(0, at), pending);
    }
    return { tokens, state };
  }

  /**
   * Keep these streams, and drop the others.
   * @param {number[]} rows
   */
  keep(rows) {
    const { state, pending, positions, started } = this.moment;
    this.moment = {
      state: state.map((each) => gather(each, rows, each.length / pending.length)),
      pending: rows.map((row) => pending[row]),
      positions: rows.map((row) => positions[row]),
      started,
    };
    this.seeds = rows.map((row) => this.seeds[row]);
  }
}

/**
 * Return some rows of an array [batch, width].
 *
 * @param {Float32Array} values
 * @param {number[]} rows
 * @param {number} width
 */
export function gather(values, rows, width) {
  const found = new Float32Array(rows.length * width);
  rows.forEach((row, i) => found.set(values.subarray(row * width, (row + 1) * width), i * width));
  return found;
}

/**
 * Read one text per row, and return the state after it. The rows are read together up to the end of
 * the shortest, then the remaining ones, and so on. So nothing is padded.
 *
 * @param {import("./stepper.js").Stepper} stepper
 * @param {State} state
 * @param {number[][]} texts
 */
async function readRagged(stepper, state, texts) {
  const chunk = chunkLength(stepper, texts.length);
  const widths = stepper.file.states.map(({ width }) => width);
  for (let done = 0; ; ) {
    const rows = [...texts.keys()].filter((row) => texts[row].length > done);
    if (!rows.length) return state;
    const until = Math.min(done + chunk, ...rows.map((row) => texts[row].length));
    const tokens = rows.map((row) => texts[row].slice(done, until));
    const own = state.map((each, i) => gather(each, rows, widths[i]));
    const after = await stepper.consume(tokens, own);
    state = state.map((each, i) => {
      const whole = each.slice();
      rows.forEach((row, at) => {
        whole.set(after[i].subarray(at * widths[i], (at + 1) * widths[i]), row * widths[i]);
      });
      return whole;
    });
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
