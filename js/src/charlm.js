import { OptionError, WrongKindError } from "./errors.js";
import { withDefaults } from "./options.js";
import { pause } from "./pause.js";
import { checkLengths, checkSampling, DEFAULT_SAMPLING, seedsFor, shownSeed } from "./sampling.js";
import { score } from "./scoring.js";
import { DEFAULT_LENGTH, Session, STREAM_CHUNK } from "./session.js";
import { Stepper } from "./stepper.js";
import { StopScanner } from "./stop.js";
import { Streams } from "./streams.js";
import { Vocabulary } from "./text.js";

/** @typedef {import("./sampling.js").Sampling} Sampling */
/** @typedef {import("./sampling.js").Seed} Seed */
/** @typedef {import("./text.js").Unknown} Unknown */

/**
 * Options of a generation.
 *
 * @typedef {object} GenerateOnly
 * @property {number} length The number of characters to draw. Default 500.
 * @property {Seed | Seed[] | null} seed One number s: text i is drawn with seed s + i. An array: one
 *   seed per prompt. null: a fresh seed. The same seed gives the same text, alone or in any batch,
 *   here and in Python.
 * @property {string | string[]} stop One or several texts. A text ends before the first of them that
 *   appears.
 * @property {Unknown} unknown What to do with characters outside the vocabulary.
 */

/** @typedef {Partial<GenerateOnly & Sampling>} GenerateOptions */
/** @typedef {GenerateOptions & {seed?: Seed | null, chunk?: number}} StreamOptions */

/**
 * One generated text, and what is needed to draw it again.
 *
 * @typedef {object} Generation
 * @property {string} prompt The prompt as given.
 * @property {string} text The drawn text, without the prompt and without the stop text.
 * @property {Seed} seed The seed of this text.
 * @property {string | null} stopped The stop text that ended the text. null: it ended at the length.
 */

/** @typedef {{char: string, probability: number}} NextChar */

/** Characters per draw. After each draw the streams that met a stop text leave the batch. */
const CHUNK = 128;
/** @type {GenerateOnly & Sampling} */
const DEFAULTS = {
  length: DEFAULT_LENGTH,
  seed: null,
  stop: [],
  unknown: "default",
  ...DEFAULT_SAMPLING,
};

/**
 * A character language model from a file. Make one with `CharLM.load`.
 *
 *     const lm = await CharLM.load("charlm.onnx", { ort });
 *     await lm.generate("ROMEO:", { length: 200, seed: 1 });
 */
export class CharLM {
  #stepper;
  #vocabulary;

  /** @param {Stepper} stepper */
  constructor(stepper) {
    if (stepper.file.metadata.kind !== "charlm") {
      throw new WrongKindError(
        `${stepper.file.name}: is a classifier, not a character model; use Classifier.load`,
      );
    }
    this.#stepper = stepper;
    this.#vocabulary = new Vocabulary(stepper.file.metadata);
  }

  /**
   * Load a character model.
   *
   * @param {import("./source.js").Source} source
   * @param {import("./stepper.js").LoadOptions} options
   * @throws {ModelFileError} the file is missing, damaged, or breaks the format.
   * @throws {WrongKindError} the file is a classifier.
   * @throws {DeviceError} onnxruntime does not work here, or computes wrong numbers.
   * @throws {RuntimeMissingError} `ort` is no onnxruntime.
   */
  static async load(source, options) {
    return new CharLM(await Stepper.open(source, options));
  }

  /** The metadata document of the file. */
  get metadata() {
    return this.#stepper.file.metadata;
  }

  /** Free the memory of the model. It cannot be used afterwards. */
  async release() {
    await this.#stepper.release();
  }

  /**
   * Draw the text that follows a prompt, or the texts that follow an array of prompts.
   *
   * @template {string | string[]} T
   * @param {T} prompt one prompt, or an array of prompts, which are drawn in one batch
   * @param {GenerateOptions} [options]
   * @returns {Promise<T extends string ? string : string[]>} The text without the prompt. An array
   *   if `prompt` is one.
   * @throws {OptionError} an option is out of range.
   * @throws {UnknownCharacterError} a prompt has a character outside the vocabulary.
   */
  async generate(prompt = /** @type {T} */ (""), options = {}) {
    const prompts = /** @type {string[]} */ (Array.isArray(prompt) ? prompt : [prompt]);
    const texts = (await this.complete(prompts, options)).map(({ text }) => text);
    return /** @type {any} */ (Array.isArray(prompt) ? texts : texts[0]);
  }

  /**
   * Draw the texts that follow some prompts, in one batch.
   *
   * @param {string[]} prompts An empty prompt stands for the file's start text.
   * @param {GenerateOptions} [options]
   * @returns {Promise<Generation[]>}
   * @throws {OptionError} an option is out of range.
   * @throws {UnknownCharacterError} a prompt has a character outside the vocabulary.
   */
  async complete(prompts, options = {}) {
    const { length, seed, stop, unknown, ...rest } = withDefaults(options, DEFAULTS);
    checkLengths(length, CHUNK);
    const sampling = checkSampling(rest);
    const seeds = seedsFor(seed, prompts.length);
    const drafts = prompts.map((prompt, i) => ({
      prompt,
      text: "",
      seed: shownSeed(seeds[i]),
      stopped: /** @type {string | null} */ (null),
      scanner: new StopScanner(this.#vocabulary.stops(stop)),
    }));
    const tokens = prompts.map((prompt) => this.#vocabulary.encodePrompt(prompt, unknown));
    const streams = new Streams(this.#stepper, seeds);
    if (prompts.length) await streams.feed(tokens);
    let running = drafts;
    for (let left = length; left > 0 && running.length; left -= CHUNK) {
      const drawn = await streams.draw(Math.min(CHUNK, left), sampling);
      running.forEach((draft, i) => {
        const scanned = draft.scanner.scan(this.#vocabulary.decode(drawn[i]));
        draft.text += scanned.text;
        draft.stopped = scanned.stopped;
      });
      const going = [...running.keys()].filter((row) => running[row].stopped === null);
      if (going.length < running.length) streams.keep(going);
      running = going.map((row) => running[row]);
      await pause();
    }
    return drafts.map(({ scanner, text, ...draft }) => ({ ...draft, text: text + scanner.rest() }));
  }

  /**
   * Draw the text that follows a prompt, and yield it in pieces. Between two pieces the page can
   * react.
   *
   *     for await (const piece of lm.stream("ROMEO:", { seed: 1 })) output.append(piece);
   *
   * @param {string} [prompt]
   * @param {StreamOptions} [options] as in `complete`. `chunk`: characters drawn per piece, 32 by
   *   default. The text does not depend on it.
   * @returns {AsyncGenerator<string, void, void>}
   * @throws {OptionError} an option is out of range. It is thrown before the first piece.
   * @throws {UnknownCharacterError} the prompt has a character outside the vocabulary.
   */
  stream(prompt = "", options = {}) {
    const { length, seed, unknown, ...rest } = withDefaults(options, {
      ...DEFAULTS,
      seed: /** @type {Seed | null} */ (null),
      chunk: STREAM_CHUNK,
    });
    this.#vocabulary.encode(prompt, unknown); // a bad prompt is refused before the first piece
    const session = this.session({ seed });
    const pieces = session.stream(length, rest);
    return (async function* () {
      await session.feed(prompt, { unknown });
      yield* pieces;
    })();
  }

  /**
   * Read a text once, carry the state along, and measure how well it was predicted.
   *
   * @param {string} text at least two characters. The first is not scored.
   * @param {{unknown?: Unknown}} [options]
   * @throws {OptionError} the text has fewer than two characters.
   * @throws {UnknownCharacterError} the text has a character outside the vocabulary.
   * @throws {ModelFileError} the model returns NaN.
   */
  async score(text, options = {}) {
    const { unknown } = withDefaults(options, { unknown: DEFAULTS.unknown });
    const tokens = this.#vocabulary.encode(text, unknown);
    if (tokens.length < 2) {
      throw new OptionError("a text to score needs at least two characters; give a longer one");
    }
    return score(this.#stepper, tokens);
  }

  /**
   * Return the most likely characters after a prompt, at temperature 1, the most likely first.
   *
   * @param {string} [prompt] An empty prompt stands for the file's start text.
   * @param {number | {top?: number, unknown?: Unknown}} [options] `top` (or the options as one
   *   number): the number of characters to return, 5 by default.
   * @returns {Promise<NextChar[]>}
   * @throws {OptionError} `top` is below 1.
   * @throws {UnknownCharacterError} the prompt has a character outside the vocabulary.
   * @throws {ModelFileError} the model returns NaN.
   */
  async next(prompt = "", options = {}) {
    const given = typeof options === "number" ? { top: options } : options;
    const { top, unknown } = withDefaults(given, { top: 5, unknown: DEFAULTS.unknown });
    if (!(top >= 1)) throw new OptionError(`top must be 1 or more, got ${top}`);
    const session = this.session({ seed: 0 });
    await session.feed(prompt, { unknown });
    const probabilities = Array.from(await session.probabilities());
    return probabilities
      .map((probability, token) => ({ char: this.metadata.vocabulary[token], probability }))
      .sort((a, b) => b.probability - a.probability)
      .slice(0, top);
  }

  /**
   * Start a session.
   *
   * @param {{seed?: Seed | null}} [options] the seed. null: a fresh one.
   * @throws {OptionError} the seed is out of range.
   */
  session(options = {}) {
    const { seed } = withDefaults(options, { seed: /** @type {Seed | null} */ (null) });
    return new Session(this.#stepper, this.#vocabulary, seedsFor(seed, 1)[0]);
  }

  /**
   * Restore a session from the bytes of `Session.save`, of this package or of Python.
   *
   * @param {Uint8Array | ArrayBuffer} data
   * @throws {SnapshotError} the bytes are damaged, or belong to another model file.
   */
  async restore(data) {
    return Session.restore(this.#stepper, this.#vocabulary, data);
  }
}
