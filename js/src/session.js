import { OptionError } from "./errors.js";
import { withDefaults } from "./options.js";
import { pause } from "./pause.js";
import { checkLengths, checkSampling, checkSeed, DEFAULT_SAMPLING, shownSeed, weights } from "./sampling.js";
import { readSnapshot, writeSnapshot } from "./snapshot.js";
import { StopScanner } from "./stop.js";
import { Streams } from "./streams.js";

/** @typedef {import("./sampling.js").Seed} Seed */
/** @typedef {import("./text.js").Unknown} Unknown */

/**
 * Options of a session's drawing.
 *
 * @typedef {object} SessionOptions
 * @property {number} length The number of characters to draw. Default 500.
 * @property {string | string[]} stop One or several texts. The text ends before the first of them
 *   that appears. The session then stands right after the stop text, and `stopped` names it.
 * @property {number} chunk Characters drawn per piece. The text does not depend on it.
 */

/** @typedef {Partial<SessionOptions & import("./sampling.js").Sampling>} DrawOptions */

export const DEFAULT_LENGTH = 500;
export const STREAM_CHUNK = 32;
const GENERATE_CHUNK = 256;

/**
 * A position in a text. Make one with `CharLM.session`. Calls of one session take turns.
 *
 * A new session has read no text. If the first call draws, the session reads the file's start text
 * first.
 */
export class Session {
  /**
   * The stop text that ended the last generation. null: it ended at the length.
   * @type {string | null}
   */
  stopped = null;
  #stepper;
  #vocabulary;
  #streams;
  /** @type {Promise<unknown>} */
  #turn = Promise.resolve();

  /**
   * @param {import("./stepper.js").Stepper} stepper
   * @param {import("./text.js").Vocabulary} vocabulary
   * @param {bigint} seed
   * @param {import("./streams.js").Moment} [moment]
   */
  constructor(stepper, vocabulary, seed, moment) {
    this.#stepper = stepper;
    this.#vocabulary = vocabulary;
    this.#streams = new Streams(stepper, [seed], moment);
  }

  /** The seed of the session's random numbers. */
  get seed() {
    return shownSeed(this.#streams.seeds[0]);
  }

  /** The number of characters drawn with this seed. */
  get position() {
    return this.#streams.moment.positions[0];
  }

  /**
   * Read a text. What is drawn next follows it. An empty text changes nothing.
   *
   * @param {string} text
   * @param {{unknown?: Unknown}} [options]
   * @throws {UnknownCharacterError} the text has a character outside the vocabulary. The session is
   *   then unchanged.
   */
  async feed(text, options = {}) {
    const { unknown } = withDefaults(options, { unknown: /** @type {Unknown} */ ("default") });
    const first = this.#vocabulary.documents && text !== "" && !this.#streams.moment.started;
    const tokens = this.#vocabulary[first ? "encodePrompt" : "encode"](text, unknown);
    if (tokens.length) await this.#inTurn(() => this.#streams.feed([tokens]));
  }

  /**
   * Return the probabilities of the next character at temperature 1, one for each character of
   * `metadata.vocabulary`.
   *
   * @returns {Promise<Float32Array>}
   * @throws {ModelFileError} the model returns NaN or infinity.
   */
  async probabilities() {
    const logits = await this.#inTurn(async () => {
      await this.#start();
      return this.#streams.logits();
    });
    const weight = weights(logits);
    const sum = weight.reduce((a, b) => a + b, 0);
    if (!Number.isFinite(sum)) throw this.#stepper.notFinite();
    return weight.map((each) => each / sum);
  }

  /**
   * Draw the next characters: `length`, or fewer if a stop text appears.
   *
   * @param {number | DrawOptions} [length] or all options in one object
   * @param {DrawOptions} [options]
   * @returns {Promise<string>}
   * @throws {OptionError} an option is out of range.
   */
  async generate(length = DEFAULT_LENGTH, options = {}) {
    let text = "";
    for await (const piece of this.#pieces(length, options, GENERATE_CHUNK)) text += piece;
    return text;
  }

  /**
   * Draw the next characters, and yield them in pieces. Between two pieces the page can react.
   *
   * @param {number | DrawOptions} [length] or all options in one object
   * @param {DrawOptions} [options]
   * @returns {AsyncGenerator<string, void, void>}
   * @throws {OptionError} an option is out of range. It is thrown before the first piece.
   */
  stream(length = DEFAULT_LENGTH, options = {}) {
    return this.#pieces(length, options, STREAM_CHUNK, pause);
  }

  /**
   * @param {number | DrawOptions} first
   * @param {DrawOptions} options
   * @param {number} chunk
   * @param {() => unknown} [between] what to wait for between two pieces
   */
  #pieces(first, options, chunk, between = () => {}) {
    /** @type {SessionOptions & import("./sampling.js").Sampling} */
    const defaults = { length: DEFAULT_LENGTH, stop: [], chunk, ...DEFAULT_SAMPLING };
    const own = typeof first === "object" ? first : { ...options, length: first };
    const given = withDefaults(own, defaults);
    checkLengths(given.length, given.chunk);
    const sampling = checkSampling(given);
    const scanner = new StopScanner(this.#vocabulary.stops(given.stop));
    return this.#draw(given.length, given.chunk, sampling, scanner, between);
  }

  /**
   * @param {number} length @param {number} chunk @param {import("./sampling.js").Sampling} sampling
   * @param {StopScanner} scanner @param {() => unknown} between
   */
  async *#draw(length, chunk, sampling, scanner, between) {
    this.stopped = null;
    await this.#inTurn(() => this.#start());
    for (let left = length; left > 0; left -= chunk) {
      const count = Math.min(chunk, left);
      const { text, stopped } = await this.#inTurn(() => this.#piece(count, sampling, scanner));
      this.stopped = stopped;
      if (text) yield text;
      if (stopped !== null) return;
      if (left > chunk) await between();
    }
    const rest = scanner.rest();
    if (rest) yield rest;
  }

  /** Read the start text if nothing was read yet. */
  async #start() {
    if (!this.#streams.moment.started) await this.#streams.feed([this.#vocabulary.encodePrompt("")]);
  }

  /**
   * Draw one piece. If a stop text appears in it, go back to the end of the stop text.
   *
   * @param {number} count @param {import("./sampling.js").Sampling} sampling
   * @param {StopScanner} scanner
   */
  async #piece(count, sampling, scanner) {
    const before = this.#streams.moment;
    const [drawn] = await this.#streams.draw(count, sampling);
    const scanned = scanner.scan(this.#vocabulary.decode(drawn));
    if (scanned.stopped !== null && scanned.used < count) {
      this.#streams.moment = before;
      await this.#streams.draw(scanned.used, sampling);
    }
    return scanned;
  }

  /**
   * Make a second session at this position. The two are independent.
   *
   * @param {{seed?: Seed | null}} [options] the seed of the second session. By default it keeps the
   *   seed and the position in the random numbers, so it draws the same text as this session.
   * @throws {OptionError} the seed is out of range.
   */
  fork(options = {}) {
    const { seed } = withDefaults(options, { seed: /** @type {Seed | null} */ (null) });
    const { moment, seeds } = this.#streams;
    const own = seed === null ? seeds[0] : checkSeed(seed);
    const start = seed === null ? moment : { ...moment, positions: [0] };
    return new Session(this.#stepper, this.#vocabulary, own, start);
  }

  /**
   * Return the session as bytes, which `CharLM.restore` reads, here and in Python.
   *
   * @returns {Promise<Uint8Array>}
   */
  async save() {
    await this.#turn;
    const { seeds, moment } = this.#streams;
    return writeSnapshot(await this.#stepper.sha256, seeds[0], moment);
  }

  /**
   * Make the session that `save` wrote. `CharLM.restore` calls this.
   *
   * @param {import("./stepper.js").Stepper} stepper
   * @param {import("./text.js").Vocabulary} vocabulary
   * @param {Uint8Array | ArrayBuffer} data
   */
  static async restore(stepper, vocabulary, data) {
    if (!(data instanceof ArrayBuffer || data instanceof Uint8Array)) {
      throw new OptionError("a session is restored from the bytes that save() returned");
    }
    const bytes = data instanceof ArrayBuffer ? new Uint8Array(data) : data;
    const { seed, moment } = await readSnapshot(bytes, await stepper.sha256, stepper.file);
    return new Session(stepper, vocabulary, seed, moment);
  }

  /**
   * Do something after all that was asked before. First read the start text if nothing was read.
   *
   * @template T
   * @param {() => Promise<T>} act
   * @returns {Promise<T>}
   */
  #inTurn(act) {
    const done = this.#turn.then(async () => act());
    this.#turn = done.catch(() => {});
    return done;
  }
}
