import { drawRule } from "./drawing/draw_rule.js";
import { DEFAULT_SAMPLING, softmax } from "./drawing/sampling.js";
import { checkSeed, shownSeed } from "./drawing/seeds.js";
import { Streams } from "./drawing/streams.js";
import { OptionError } from "./errors.js";
import { checkInteger, withDefaults } from "./options.js";
import { pause } from "./pause.js";
import { readSnapshot, writeSnapshot } from "./snapshot.js";
import { StopScanner } from "./text/stop.js";

/** @typedef {import("./drawing/draw_rule.js").DrawRule} DrawRule */
/** @typedef {import("./drawing/seeds.js").Seed} Seed */
/** @typedef {import("./text/vocabulary.js").Unknown} Unknown */

/**
 * Options of a session's drawing.
 *
 * @typedef {object} SessionOptions
 * @property {number} length The number of characters to draw. Default 500.
 * @property {string | string[]} stop One or several texts. The text ends before the first of them
 *   that appears, or at the end of the document, if the model knows documents. The session then stands
 *   right after it, and `stopped` names it.
 * @property {number} chunk Characters drawn per piece. The text does not depend on it.
 */

/** @typedef {Partial<SessionOptions & import("./drawing/sampling.js").Sampling>} DrawOptions */

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
   * @param {import("./runtime/stepper.js").Stepper} stepper
   * @param {import("./text/char_vocabulary.js").CharVocabulary} vocabulary
   * @param {bigint} seed
   * @param {import("./drawing/streams.js").Moment} [moment]
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
   * Read a text. What is drawn next follows it. An empty text changes nothing. A model of documents
   * begins anew where a document in the text ends.
   *
   * @param {string} text
   * @param {{unknown?: Unknown}} [options]
   * @throws {import("./errors.js").UnknownCharacterError} the text has a character outside the
   *   vocabulary. The session is then unchanged.
   */
  async feed(text, options = {}) {
    const { unknown } = withDefaults(options, { unknown: /** @type {Unknown} */ ("default") });
    let tokens = this.#vocabulary.encode(text, unknown);
    const { mark } = this.#vocabulary;
    await this.#inTurn(async () => {
      if (!tokens.length) return;
      if (mark !== null && (!this.#streams.moment.started || tokens.includes(mark))) {
        tokens = tokens.slice(tokens.lastIndexOf(mark) + 1);
        this.#streams.restart(mark);
      }
      if (tokens.length) await this.#streams.feed([tokens]);
    });
  }

  /**
   * Return the probabilities of the next character at temperature 1, one for each character of
   * `metadata.vocabulary`.
   *
   * @returns {Promise<Float32Array>}
   * @throws {import("./errors.js").ModelFileError} the model returns NaN or infinity.
   */
  async probabilities() {
    const logits = await this.#inTurn(async () => {
      await this.#start();
      return this.#streams.logits();
    });
    const found = softmax(logits);
    if (found.every(Number.isFinite)) return found;
    throw this.#stepper.notFinite();
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
   * @param {number} size characters per piece, if `chunk` is not given
   * @param {() => unknown} [between] what to wait for between two pieces
   */
  #pieces(first, options, size, between = () => {}) {
    /** @type {SessionOptions & import("./drawing/sampling.js").Sampling} */
    const defaults = { length: DEFAULT_LENGTH, stop: [], chunk: size, ...DEFAULT_SAMPLING };
    const own = typeof first === "object" ? first : { ...options, length: first };
    const { length, stop, chunk, ...sampling } = withDefaults(own, defaults);
    checkInteger("length", length, 0);
    checkInteger("chunk", chunk, 1);
    const rule = drawRule(sampling, this.#vocabulary);
    const scanner = new StopScanner(this.#vocabulary.stops(stop, rule));
    return this.#draw(length, chunk, rule, scanner, between);
  }

  /**
   * @param {number} length @param {number} chunk @param {DrawRule} rule @param {StopScanner} scanner
   * @param {() => unknown} between
   */
  async *#draw(length, chunk, rule, scanner, between) {
    this.stopped = null;
    await this.#inTurn(() => this.#start());
    for (let left = length; left > 0; left -= chunk) {
      const { text, stopped } = await this.#inTurn(() => this.#piece(Math.min(chunk, left), rule, scanner));
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
   * Draw one piece. If a stop text appears in it, go back to the end of the stop text. After the end of
   * a document the next one begins, from the zero state.
   *
   * @param {number} count @param {DrawRule} rule @param {StopScanner} scanner
   */
  async #piece(count, rule, scanner) {
    const streams = this.#streams;
    const before = streams.moment;
    const [drawn] = await streams.draw(count, rule);
    const scanned = scanner.scan(this.#vocabulary.decode(drawn));
    if (scanned.stopped !== null) {
      if (scanned.used < count) {
        streams.moment = before;
        await streams.draw(scanned.used, rule);
      }
      if (scanned.stopped === this.#vocabulary.end) streams.restart(streams.moment.pending[0]);
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
   * @param {import("./runtime/stepper.js").Stepper} stepper
   * @param {import("./text/char_vocabulary.js").CharVocabulary} vocabulary
   * @param {Uint8Array | ArrayBuffer} data
   */
  static async restore(stepper, vocabulary, data) {
    if (!(data instanceof ArrayBuffer || data instanceof Uint8Array)) {
      throw new OptionError("a session is restored from the bytes that save() returned; give those");
    }
    const bytes = data instanceof ArrayBuffer ? new Uint8Array(data) : data;
    const { seed, moment } = await readSnapshot(bytes, await stepper.sha256, stepper.file);
    return new Session(stepper, vocabulary, seed, moment);
  }

  /**
   * Do something after all that was asked before.
   *
   * @template T
   * @param {() => Promise<T>} act
   * @returns {Promise<T>}
   */
  #inTurn(act) {
    const done = this.#turn.then(act);
    this.#turn = done.catch(() => {});
    return done;
  }
}
