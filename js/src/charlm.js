import { drawRule } from "./drawing/draw_rule.js";
import { DEFAULT_SAMPLING } from "./drawing/sampling.js";
import { seedsFor } from "./drawing/seeds.js";
import { OptionError } from "./errors.js";
import { CHARLM } from "./file/charlm_section.js";
import { complete } from "./generation.js";
import { checkInteger, must, withDefaults } from "./options.js";
import { Stepper } from "./runtime/stepper.js";
import { score } from "./scoring.js";
import { DEFAULT_LENGTH, Session, STREAM_CHUNK } from "./session.js";
import { CharVocabulary } from "./text/char_vocabulary.js";

/** @typedef {import("./drawing/sampling.js").Sampling} Sampling */
/** @typedef {import("./drawing/seeds.js").Seed} Seed */
/** @typedef {import("./generation.js").Generation} Generation */
/** @typedef {import("./scoring.js").Score} Score */
/** @typedef {import("./text/vocabulary.js").Unknown} Unknown */

/**
 * Options of a generation.
 *
 * @typedef {object} GenerateOnly
 * @property {number} length The number of characters to draw. Default 500.
 * @property {Seed | Seed[] | null} seed One number s: text i is drawn with seed s + i. An array: one
 *   seed per prompt. null: a fresh seed. The same seed gives the same text, alone or in any batch,
 *   here and in Python.
 * @property {string | string[]} stop One or several texts. A text ends before the first of them that
 *   appears, and, if the model was trained on documents, at the end of the document.
 * @property {Unknown} unknown What to do with characters outside the vocabulary.
 */

/** @typedef {Partial<GenerateOnly & Sampling>} GenerateOptions */
/** @typedef {GenerateOptions & {seed?: Seed | null, chunk?: number}} StreamOptions */
/** @typedef {{char: string, probability: number}} NextChar */

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

  /** @param {Stepper} stepper of a character model */
  constructor(stepper) {
    this.#stepper = stepper;
    this.#vocabulary = new CharVocabulary(stepper.file.metadata);
  }

  /**
   * Load a character model.
   *
   * @param {import("./file/source.js").Source} source
   * @param {import("./runtime/stepper.js").LoadOptions} options
   * @throws {import("./errors.js").ModelFileError} the file is missing, damaged, or breaks the format.
   * @throws {import("./errors.js").WrongKindError} the file is a classifier.
   * @throws {import("./errors.js").DeviceError} onnxruntime does not work here, or computes wrong numbers.
   * @throws {import("./errors.js").RuntimeMissingError} `ort` is no onnxruntime.
   */
  static async load(source, options) {
    return new CharLM(await Stepper.open(source, options, CHARLM));
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
   * @throws {import("./errors.js").UnknownCharacterError} a prompt has a character outside the vocabulary.
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
   * @throws {import("./errors.js").UnknownCharacterError} a prompt has a character outside the vocabulary.
   */
  async complete(prompts, options = {}) {
    const { length, seed, stop, unknown, ...sampling } = withDefaults(options, DEFAULTS);
    checkInteger("length", length, 0);
    must(Array.isArray(prompts), "prompts", "an array of texts", prompts);
    const rule = drawRule(sampling, this.#vocabulary);
    const seeds = seedsFor(seed, prompts.length);
    const stops = this.#vocabulary.stops(stop, rule);
    return complete(this.#stepper, this.#vocabulary, prompts, seeds, { length, rule, stops, unknown });
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
   * @throws {import("./errors.js").UnknownCharacterError} the prompt has a character outside the vocabulary.
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
   * @template {string | string[]} T
   * @param {T} text at least two characters. The first is not scored. A model of documents reads each
   *   document from the zero state, and scores its first character too. An array: several texts.
   * @param {{unknown?: Unknown}} [options]
   * @returns {Promise<T extends string ? Score : Score[]>}
   * @throws {OptionError} a text has fewer than two characters.
   * @throws {import("./errors.js").UnknownCharacterError} a text has a character outside the vocabulary.
   * @throws {import("./errors.js").ModelFileError} the model returns NaN.
   */
  async score(text, options = {}) {
    const { unknown } = withDefaults(options, { unknown: DEFAULTS.unknown });
    const { mark } = this.#vocabulary;
    const single = !Array.isArray(text);
    const texts = /** @type {string[]} */ (single ? [text] : text);
    const all = texts.map((each, place) => {
      const tokens = this.#vocabulary.encode(each, unknown);
      if (mark !== null && tokens[0] !== mark) tokens.unshift(mark);
      if (tokens.length > 1) return tokens;
      const what = mark === null ? "fewer than two characters" : "no character to score";
      throw new OptionError(
        single && mark === null
          ? "a text to score needs at least two characters; give a longer one"
          : `text ${place} has ${what}; give a longer one, or remove it`,
      );
    });
    const found = [];
    for (const tokens of all) found.push(await score(this.#stepper, tokens, mark));
    return /** @type {any} */ (single ? found[0] : found);
  }

  /**
   * Return the most likely characters after a prompt, at temperature 1, the most likely first.
   *
   * @param {string} [prompt] An empty prompt stands for the file's start text.
   * @param {number | {top?: number, unknown?: Unknown}} [options] `top` (or the options as one
   *   number): the number of characters to return, 5 by default.
   * @returns {Promise<NextChar[]>}
   * @throws {OptionError} `top` is below 1.
   * @throws {import("./errors.js").UnknownCharacterError} the prompt has a character outside the vocabulary.
   * @throws {import("./errors.js").ModelFileError} the model returns NaN.
   */
  async next(prompt = "", options = {}) {
    const given = typeof options === "number" ? { top: options } : options;
    const { top, unknown } = withDefaults(given, { top: 5, unknown: DEFAULTS.unknown });
    checkInteger("top", top, 1);
    const session = this.session({ seed: 0 });
    await session.feed(prompt, { unknown });
    return Array.from(await session.probabilities(), (probability, token) => ({
      char: this.metadata.vocabulary[token],
      probability,
    }))
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
   * @throws {import("./errors.js").SnapshotError} the bytes are damaged, or belong to another model file.
   */
  async restore(data) {
    return Session.restore(this.#stepper, this.#vocabulary, data);
  }
}
