import { OptionError, UnknownCharacterError } from "./errors.js";

/**
 * What to do with characters outside the vocabulary: "default" (the file's unknown token, or an
 * error), "error", "skip" (leave them out), or "fold" (the nearest known character: compatibility
 * form, without accents, other case; if there is none, leave it out).
 *
 * @typedef {"default" | "error" | "skip" | "fold"} Unknown
 */

const POLICIES = ["default", "error", "skip", "fold"];

/** Encodes texts as tokens, and decodes them. One token is one code point. */
export class Vocabulary {
  #chars;
  #end;
  #rules;
  #start;
  #tokens;

  /** @param {Pick<import("./metadata.js").Metadata, "text" | "vocabulary" | "charlm">} metadata */
  constructor(metadata) {
    this.#chars = metadata.vocabulary;
    this.#rules = metadata.text;
    this.#start = metadata.charlm?.start ?? "";
    this.#end = metadata.charlm?.end ?? null;
    this.#tokens = new Map(this.#chars.map((char, token) => [char, token]));
  }

  /**
   * Apply the file's rules: first for line ends, then for Unicode normalisation.
   * @param {string} text
   */
  normalize(text) {
    if (typeof text !== "string") throw new OptionError(`expected a text, got ${typeof text}`);
    const lines = this.#rules.newlines === "lf" ? text.replace(/\r\n?/g, "\n") : text;
    return this.#rules.normalization === "NFC" ? lines.normalize("NFC") : lines;
  }

  /**
   * Encode a text as tokens.
   *
   * @param {string} text
   * @param {Unknown} [unknown]
   * @throws {UnknownCharacterError} the message names the first such character and its position.
   * @throws {OptionError} `unknown` is no such policy.
   */
  encode(text, unknown = "default") {
    if (!POLICIES.includes(unknown)) {
      throw new OptionError(`unknown must be one of ${POLICIES.join(", ")}`);
    }
    const tokens = [];
    let position = 0;
    for (const char of this.normalize(text)) {
      const token = this.#tokens.get(char);
      if (token !== undefined) tokens.push(token);
      else tokens.push(...this.#replace(char, position, unknown));
      position += 1;
    }
    return tokens;
  }

  /**
   * Encode a prompt as tokens. An empty prompt becomes the file's start text. Of documents only the
   * last one is read, and the start text before it.
   *
   * @param {string} prompt
   * @param {Unknown} [unknown]
   */
  encodePrompt(prompt, unknown) {
    const tokens = this.encode(prompt, unknown);
    if (this.#end !== null) {
      const [mark] = this.encode(this.#end);
      return [mark, ...tokens.slice(tokens.lastIndexOf(mark) + 1)];
    }
    return tokens.length ? tokens : this.encode(this.#start);
  }

  /** Whether the model was trained on documents. */
  get documents() {
    return this.#end !== null;
  }

  /**
   * Return stop texts, and the end of a document if the model knows documents.
   * @param {string | string[]} stop
   */
  stops(stop) {
    return this.#end === null ? stop : [stop, this.#end].flat();
  }

  /**
   * Return the text of tokens.
   * @param {number[]} tokens
   */
  decode(tokens) {
    return tokens.map((token) => this.#chars[token]).join("");
  }

  /**
   * Return the tokens that stand for a character outside the vocabulary.
   *
   * @param {string} char
   * @param {number} position
   * @param {Unknown} unknown
   */
  #replace(char, position, unknown) {
    if (unknown === "default" && this.#rules.unknown !== null) return [this.#rules.unknown];
    if (unknown === "skip") return [];
    if (unknown === "fold") return this.#fold(char);
    const code = /** @type {number} */ (char.codePointAt(0)).toString(16).toUpperCase();
    throw new UnknownCharacterError(
      `character ${JSON.stringify(char)} (U+${code.padStart(4, "0")}) at position ${position} ` +
        "is not in the model's vocabulary; skip or fold unknown characters, or remove it",
    );
  }

  /**
   * Return the tokens of the nearest text of known characters, or none.
   * @param {string} char
   */
  #fold(char) {
    const bare = Array.from(char.normalize("NFKD"))
      .filter((each) => !isCombining(each))
      .join("");
    const candidates = [
      bare,
      bare.toLowerCase(),
      bare.toUpperCase(),
      char.toLowerCase(),
      char.toUpperCase(),
    ];
    for (const candidate of candidates) {
      const tokens = Array.from(candidate, (each) => this.#tokens.get(each) ?? -1);
      if (tokens.length && !tokens.includes(-1)) return tokens;
    }
    return [];
  }
}

/**
 * Return whether a decomposed character has a combining class other than 0. JavaScript has no table
 * of these classes, but its normalisation sorts by them: U+0345 has the highest, U+0334 the lowest.
 *
 * @param {string} char
 */
function isCombining(char) {
  return ["\u0345" + char, char + "\u0334"].some((pair) => pair.normalize("NFD") !== pair);
}
