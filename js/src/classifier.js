import { OptionError, shown } from "./errors.js";
import { CLASSIFIER } from "./file/classifier_section.js";
import { must } from "./options.js";
import { checkChoice, DEFAULT_CHOICE, nothingToLabel, predict } from "./predictions.js";
import { lastLogits } from "./runtime/last_logits.js";
import { Stepper } from "./runtime/stepper.js";
import { Vocabulary } from "./text/vocabulary.js";

/** @typedef {import("./predictions.js").Choice} Choice */
/** @typedef {import("./predictions.js").Prediction} Prediction */
/** @typedef {Partial<Choice>} TraceOptions */

/**
 * @typedef {object} OnEmpty
 * @property {"error" | "none"} onEmpty What to do with a text that is "", null or undefined, or has no
 *   known character. "error" (the default): throw an error. "none": its prediction has no labels, and
 *   says the reason.
 */
/** @typedef {Partial<Choice & OnEmpty>} ClassifyOptions */

/** @type {Choice & OnEmpty} */
const DEFAULTS = { ...DEFAULT_CHOICE, onEmpty: "error" };

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

  /** @param {Stepper} stepper of a classifier */
  constructor(stepper) {
    const { metadata } = stepper.file;
    this.#stepper = stepper;
    this.#section = /** @type {import("./predictions.js").Section} */ (metadata.classifier);
    this.#vocabulary = new Vocabulary(metadata);
    this.#begin = this.#vocabulary.encode(this.#section.begin);
    this.#end = this.#vocabulary.encode(this.#section.end);
  }

  /**
   * Load a classifier.
   *
   * @param {import("./file/source.js").Source} source
   * @param {import("./runtime/stepper.js").LoadOptions} options
   * @throws {import("./errors.js").ModelFileError} the file is missing, damaged, or breaks the format.
   * @throws {import("./errors.js").WrongKindError} the file is a character model.
   * @throws {import("./errors.js").DeviceError} onnxruntime does not work here, or computes wrong numbers.
   * @throws {import("./errors.js").RuntimeMissingError} `ort` is no onnxruntime.
   */
  static async load(source, options) {
    return new Classifier(await Stepper.open(source, options, CLASSIFIER));
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
   * @template {string | (string | null | undefined)[]} T
   * @param {T} text one text, or an array of texts
   * @param {ClassifyOptions} [options]
   * @returns {Promise<T extends string ? Prediction : Prediction[]>}
   * @throws {OptionError} a text has nothing to classify, or an option is out of range; or the file has
   *   too few held-out scores for `coverage`.
   * @throws {import("./errors.js").UnknownCharacterError} a text has a character outside the vocabulary.
   * @throws {import("./errors.js").ModelFileError} the model returns NaN or infinity.
   */
  async classify(text, options = {}) {
    const { onEmpty, ...choice } = checkChoice(options, DEFAULTS);
    must(["error", "none"].includes(onEmpty), "onEmpty", "error or none", onEmpty);
    const single = typeof text === "string";
    must(single || Array.isArray(text), "text", "a text or an array of texts", text);
    const texts = /** @type {string[]} */ (single ? [text] : text);
    const tokens = texts.map((each, i) => this.#encode(each, i, choice.unknown, onEmpty));
    const kept = tokens.filter((each) => each.length);
    const rows = kept.map((each) => [...this.#begin, ...each, ...this.#end]);
    const logits = await lastLogits(this.#stepper, rows);
    const next = logits.values();
    const found = texts.map((each, i) =>
      tokens[i].length
        ? this.#predict(each, /** @type {Float32Array} */ (next.next().value), choice)
        : nothingToLabel(each),
    );
    return /** @type {any} */ (single ? found[0] : found);
  }

  /**
   * Predict the label of each prefix of a text: one prediction per character. The last one is the
   * one that `classify` returns.
   *
   * @param {string} text
   * @param {TraceOptions} [options]
   * @returns {Promise<Prediction[]>}
   * @throws {OptionError} the text is empty or has no known character, or an option is out of range.
   * @throws {import("./errors.js").UnknownCharacterError} the text has a character outside the vocabulary.
   * @throws {import("./errors.js").ModelFileError} the model returns NaN or infinity.
   */
  async trace(text, options = {}) {
    const choice = checkChoice(options, DEFAULT_CHOICE);
    if (choice.coverage !== null) {
      throw new OptionError(
        "coverage is for whole texts, as the held-out rows were; a trace has none",
      );
    }
    const tokens = this.#encode(text, 0, choice.unknown, "error");
    let state = await this.#stepper.consume([this.#begin], this.#stepper.zeros(1));
    const found = [];
    // Left-out characters have no prediction: then each prefix has the share of the text.
    const whole =
      tokens.length !== Array.from(text).length && this.#vocabulary.knownShare(text, choice.unknown);
    for (const [i, token] of tokens.entries()) {
      const read = await this.#stepper.forward([[token]], state);
      state = read.state;
      const { logits } = this.#end.length ? await this.#stepper.forward([this.#end], state) : read;
      const prefix = this.#vocabulary.decode(tokens.slice(0, i + 1));
      found.push(this.#predict(prefix, logits.slice(-this.labels.length), choice, whole));
    }
    return found;
  }

  /**
   * Return the tokens of a text. They are none if it has nothing to classify.
   *
   * @param {string | null | undefined} text @param {number} place
   * @param {Choice["unknown"]} unknown @param {OnEmpty["onEmpty"]} onEmpty
   */
  #encode(text, place, unknown, onEmpty) {
    const missing = text === null || text === undefined;
    const tokens = missing ? [] : this.#vocabulary.encode(text, unknown);
    if (tokens.length || onEmpty === "none") return tokens;
    const what = text ? "has no character the model knows" : `is ${missing ? "missing" : "empty"}`;
    throw new OptionError(
      `text ${text ? shown(text) : place} ${what}; there is nothing to classify`,
    );
  }

  /**
   * @param {string} text @param {Float32Array} logits @param {Choice} choice
   * @param {number | false} [share] of known characters
   */
  #predict(text, logits, choice, share = false) {
    const known = share === false ? this.#vocabulary.knownShare(text, choice.unknown) : share;
    const found = predict(text, logits, this.#section, choice, known);
    if (!found) throw this.#stepper.notFinite();
    return found;
  }
}
