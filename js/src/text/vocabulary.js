import { OptionError, shown, UnknownCharacterError } from "../errors.js";
import { must } from "../options.js";
import { fold, withKnownForms } from "./known_forms.js";
import { normalize } from "./normalize.js";

/**
 * What to do with characters outside the vocabulary: "default" (the file's unknown token, or an
 * error), "error", "skip" (leave them out), or "fold" (the nearest known character: compatibility
 * form, without accents, other case; if there is none, leave it out). A character of which the
 * vocabulary has another canonical form (é, or e and an accent) is not unknown: that form is taken.
 *
 * @typedef {"default" | "error" | "skip" | "fold"} Unknown
 */

const POLICIES = ["default", "error", "skip", "fold"];

/** Encodes texts as tokens, and decodes them. One token is one code point. */
export class Vocabulary {
  #chars;
  #rules;
  #tokens;

  /** @param {Pick<import("../file/metadata.js").Metadata, "text" | "vocabulary">} metadata */
  constructor({ text, vocabulary }) {
    this.#chars = vocabulary;
    this.#rules = text;
    this.#tokens = new Map(vocabulary.map((char, token) => [char, token]));
  }

  /** The number of characters. */
  get size() {
    return this.#chars.length;
  }

  /** The token for characters outside the vocabulary, or null. */
  get unknown() {
    return this.#rules.unknown;
  }

  /**
   * Apply the file's rules: first for line ends, then for Unicode normalisation.
   * @param {unknown} text
   */
  normalize(text) {
    if (typeof text !== "string") throw new OptionError(`a text must be a string, got ${shown(text)}`);
    return normalize(text, this.#rules);
  }

  /**
   * Encode a text as tokens.
   *
   * @param {string} text
   * @param {Unknown} [unknown]
   * @throws {UnknownCharacterError} the message names the first such character and its position.
   * @throws {OptionError} `unknown` is no such policy, or `text` is no text.
   */
  encode(text, unknown = "default") {
    must(POLICIES.includes(unknown), "unknown", `one of ${POLICIES.join(", ")}`, unknown);
    const chars = Array.from(this.normalize(text));
    const tokens = chars.map((char) => this.#tokens.get(char));
    if (!tokens.includes(undefined)) return /** @type {number[]} */ (tokens);
    const { known, place } = withKnownForms(chars, this.#knows);
    return known.flatMap((char) => {
      const token = this.#tokens.get(char);
      if (token !== undefined) return [token];
      if (unknown === "default" && this.unknown !== null) return [this.unknown];
      if (unknown === "skip") return [];
      if (unknown === "fold") return this.#look(fold(char, this.#knows));
      throw this.#stranger(chars[place], place);
    });
  }

  /** The tokens of a text of known characters. @param {string} text */
  #look(text) {
    return Array.from(text, (char) => /** @type {number} */ (this.#tokens.get(char)));
  }

  /** Whether a text has only known characters. @param {string} text */
  #knows = (text) => Array.from(text).every((char) => this.#tokens.has(char));

  /** @param {string} char @param {number} place */
  #stranger(char, place) {
    const code = /** @type {number} */ (char.codePointAt(0)).toString(16).toUpperCase();
    return new UnknownCharacterError(
      `character ${JSON.stringify(char)} (U+${code.padStart(4, "0")}) at position ${place} ` +
        "is not in the model's vocabulary; skip or fold unknown characters, or remove it",
    );
  }

  /**
   * Return the share of a text's characters that the model reads as known ones.
   *
   * @param {string} text
   * @param {Unknown} unknown with "fold", a character with a nearest known one counts as known
   */
  knownShare(text, unknown) {
    const { known: chars } = withKnownForms(Array.from(this.normalize(text)), this.#knows);
    const known = chars.filter((char) => {
      const token = this.#tokens.get(char);
      if (token !== undefined && token !== this.unknown) return true;
      return unknown === "fold" && fold(char, this.#knows) !== "";
    });
    return known.length / (chars.length || 1);
  }

  /**
   * Return the text of tokens.
   * @param {number[]} tokens
   */
  decode(tokens) {
    return tokens.map((token) => this.#chars[token]).join("");
  }
}
