import { OptionError, WrongKindError } from "./errors.js";
import { withDefaults } from "./options.js";
import { weights } from "./sampling.js";
import { Stepper } from "./stepper.js";
import { chunkLength, gather } from "./streams.js";
import { Vocabulary } from "./text.js";

/** @typedef {import("./text.js").Unknown} Unknown */
/** @typedef {{label: string, probability: number}} LabelProbability */

/**
 * The prediction for one text.
 *
 * @typedef {object} Prediction
 * @property {string} text The text that was classified.
 * @property {string | null} label The most likely label. null if the prediction abstains.
 * @property {number} probability The probability of the most likely label.
 * @property {LabelProbability[]} top The most likely labels, the most likely first.
 * @property {string[]} labels The labels of `top`.
 * @property {number[]} probabilities The probabilities of `top`.
 * @property {boolean} abstains True if no label reaches `minProbability`.
 */

/**
 * Options of a prediction.
 *
 * @typedef {object} Choice
 * @property {number} top The number of labels per prediction. Default 3.
 * @property {number} prior 0 (the default) takes the label frequencies of the training data; 1 takes
 *   all labels as equally frequent, which helps rare labels; values between are possible. The logits
 *   are lowered by prior · log(frequency).
 * @property {number} minProbability A prediction below it abstains: its `label` is null. Default 0.
 * @property {Unknown} unknown What to do with characters outside the vocabulary.
 */

/** @typedef {Partial<Choice>} ClassifyOptions */

/** @type {Choice} */
const DEFAULTS = { top: 3, prior: 0, minProbability: 0, unknown: "default" };
/** Texts per call. */
const BATCH = 96;

/**
 * A text classifier from a file. Make one with `Classifier.load`.
 *
 *     const classifier = await Classifier.load("classifier.onnx", { ort });
 *     (await classifier.classify("Schmidhuber")).label;
 */
export class Classifier {
  #stepper;
  #section;
  #vocabulary;
  #begin;
  #end;

  /** @param {Stepper} stepper */
  constructor(stepper) {
    const { classifier } = stepper.file.metadata;
    if (!classifier) {
      throw new WrongKindError(
        `${stepper.file.name}: is a character model, not a classifier; use CharLM.load`,
      );
    }
    this.#stepper = stepper;
    this.#section = classifier;
    this.#vocabulary = new Vocabulary(stepper.file.metadata);
    this.#begin = this.#vocabulary.encode(classifier.begin);
    this.#end = this.#vocabulary.encode(classifier.end);
  }

  /**
   * Load a classifier.
   *
   * @param {import("./source.js").Source} source
   * @param {import("./stepper.js").LoadOptions} options
   * @throws {ModelFileError} the file is missing, damaged, or breaks the format.
   * @throws {WrongKindError} the file is a character model.
   * @throws {DeviceError} onnxruntime does not work here, or computes wrong numbers.
   * @throws {RuntimeMissingError} `ort` is no onnxruntime.
   */
  static async load(source, options) {
    return new Classifier(await Stepper.open(source, options));
  }

  /** The metadata document of the file. */
  get metadata() {
    return this.#stepper.file.metadata;
  }

  /** All labels, in the order of the logits. */
  get labels() {
    return this.#section.labels;
  }

  /** Free the memory of the model. It cannot be used afterwards. */
  async release() {
    await this.#stepper.release();
  }

  /**
   * Predict the label of a text, or of each text of an array.
   *
   * @template {string | string[]} T
   * @param {T} text one text, or an array of texts. None may be empty.
   * @param {ClassifyOptions} [options]
   * @returns {Promise<T extends string ? Prediction : Prediction[]>}
   * @throws {OptionError} a text is empty or has no known character, or an option is out of range.
   * @throws {UnknownCharacterError} a text has a character outside the vocabulary.
   * @throws {ModelFileError} the model returns NaN or infinity.
   */
  async classify(text, options = {}) {
    const choice = checkChoice(options);
    const texts = Array.isArray(text) ? text : [text];
    const rows = texts.map((each, i) => [
      ...this.#begin,
      ...this.#encode(each, i, choice.unknown),
      ...this.#end,
    ]);
    const logits = await this.#lastLogits(rows);
    const found = texts.map((each, i) => this.#prediction(each, logits[i], choice));
    return /** @type {any} */ (Array.isArray(text) ? found : found[0]);
  }

  /**
   * Predict the label of each prefix of a text: one prediction per character. The last one is the
   * one that `classify` returns.
   *
   * @param {string} text
   * @param {ClassifyOptions} [options]
   * @returns {Promise<Prediction[]>}
   * @throws {OptionError} the text is empty or has no known character, or an option is out of range.
   * @throws {UnknownCharacterError} the text has a character outside the vocabulary.
   * @throws {ModelFileError} the model returns NaN or infinity.
   */
  async trace(text, options = {}) {
    const choice = checkChoice(options);
    const tokens = this.#encode(text, 0, choice.unknown);
    let state = await this.#stepper.consume([this.#begin], this.#stepper.zeros(1));
    const found = [];
    for (let i = 0; i < tokens.length; i += 1) {
      const read = await this.#stepper.forward([[tokens[i]]], state);
      state = read.state;
      const { logits } = this.#end.length ? await this.#stepper.forward([this.#end], state) : read;
      const prefix = this.#vocabulary.decode(tokens.slice(0, i + 1));
      found.push(this.#prediction(prefix, logits.slice(-this.labels.length), choice));
    }
    return found;
  }

  /** @param {string} text @param {number} place @param {Unknown} unknown */
  #encode(text, place, unknown) {
    if (text === "") throw new OptionError(`text ${place} is empty; there is nothing to classify`);
    const tokens = this.#vocabulary.encode(text, unknown);
    if (tokens.length) return tokens;
    const shown = JSON.stringify(text.slice(0, 60));
    throw new OptionError(
      `text ${shown} has no character the model knows; there is nothing to classify`,
    );
  }

  /**
   * Read each row from the zero state, and return the logits after its last token.
   * @param {number[][]} rows
   */
  async #lastLogits(rows) {
    /** @type {Float32Array[]} */
    const found = [];
    // Sorted by length, so that a batch needs little padding.
    const order = [...rows.keys()].sort((a, b) => rows[a].length - rows[b].length);
    for (let begin = 0; begin < order.length; begin += BATCH) {
      const some = order.slice(begin, begin + BATCH);
      const own = await this.#readBatch(some.map((row) => rows[row]));
      some.forEach((row, i) => (found[row] = own[i]));
    }
    return found;
  }

  /**
   * Read rows, the shortest first, in one batch. Shorter rows are padded after their last token, and
   * leave the batch at the first call that they have no token for.
   *
   * @param {number[][]} rows
   */
  async #readBatch(rows) {
    const longest = rows[rows.length - 1].length;
    const { states, outputs } = this.#stepper.file;
    const size = chunkLength(this.#stepper, rows.length);
    /** @type {Float32Array[]} */
    const found = [];
    let first = 0;
    let state = this.#stepper.zeros(rows.length);
    for (let begin = 0; begin < longest; begin += size) {
      const time = Math.min(size, longest - begin);
      const gone = rows.findIndex((row) => row.length > begin) - first;
      const kept = [...rows.keys()].slice(gone, rows.length - first);
      state = state.map((each, i) => gather(each, kept, states[i].width));
      first += gone;
      const going = rows.slice(first);
      const padded = going.map((row) => Array.from({ length: time }, (_, i) => row[begin + i] ?? 0));
      const read = await this.#stepper.forward(padded, state);
      state = read.state;
      going.forEach((row, i) => {
        const last = i * time + row.length - 1 - begin;
        if (row.length <= begin + size) {
          found[first + i] = read.logits.slice(last * outputs, (last + 1) * outputs);
        }
      });
    }
    return found;
  }

  /** @param {string} text @param {Float32Array} logits @param {Choice} choice @returns {Prediction} */
  #prediction(text, logits, { top, prior, minProbability }) {
    const { labels, log_prior } = this.#section;
    const factor = Math.fround(prior);
    const weight = weights(
      logits.map((each, i) => each - Math.fround(factor * Math.fround(log_prior[i]))),
    );
    const sum = weight.reduce((a, b) => a + b, 0);
    if (!Number.isFinite(sum)) throw this.#stepper.notFinite();
    const ranked = labels
      .map((label, i) => ({ label, probability: Math.fround(weight[i] / sum) }))
      .sort((a, b) => b.probability - a.probability)
      .slice(0, top);
    const [{ label, probability }] = ranked;
    const abstains = probability < minProbability;
    return {
      text,
      label: abstains ? null : label,
      probability,
      top: ranked,
      labels: ranked.map((each) => each.label),
      probabilities: ranked.map((each) => each.probability),
      abstains,
    };
  }
}

/** @param {ClassifyOptions} options */
function checkChoice(options) {
  const choice = withDefaults(options, DEFAULTS);
  const { top, prior, minProbability } = choice;
  if (!(top >= 1)) throw new OptionError(`top must be 1 or more, got ${top}`);
  if (!(prior >= 0 && prior <= 1)) throw new OptionError(`prior must be from 0 to 1, got ${prior}`);
  if (!(minProbability >= 0 && minProbability <= 1)) {
    throw new OptionError(`minProbability must be from 0 to 1, got ${minProbability}`);
  }
  return choice;
}
