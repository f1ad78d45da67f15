import { OptionError, shown, UnknownCharacterError } from "../errors.js";
import { Vocabulary } from "./vocabulary.js";

/** @typedef {import("./vocabulary.js").Unknown} Unknown */

/** The vocabulary of a character model: it knows how a prompt begins, and where a text ends. */
export class CharVocabulary extends Vocabulary {
  #start;

  /** @param {import("../file/metadata.js").Metadata} metadata */
  constructor(metadata) {
    super(metadata);
    const { start = "", end = null } = metadata.charlm ?? {};
    this.#start = this.encode(start);
    /** The character that ends a document. null: the model does not know documents. */
    this.end = end;
    /** The token that ends a document, or null. */
    this.mark = end === null ? null : this.#start[0];
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
    if (this.mark === null) return tokens.length ? tokens : this.#start;
    return [this.mark, ...tokens.slice(tokens.lastIndexOf(this.mark) + 1)];
  }

  /**
   * Return stop texts as the model would write them, and the end of a document, unless it is forbidden.
   *
   * @param {unknown} stop one text, or several
   * @param {Pick<import("../drawing/draw_rule.js").DrawRule, "bias" | "unknown">} rule
   * @throws {OptionError} a stop text is empty, is no text, or has a character that the model cannot
   *   write, or that the rule never draws.
   */
  stops(stop, { bias, unknown }) {
    /** @param {number | null} token */
    const never = (token) => token !== null && (token === unknown || bias?.[token] === -Infinity);
    const all = typeof stop === "string" ? [stop] : stop;
    if (!Array.isArray(all)) {
      throw new OptionError(`stop must be one text or an array of texts, got ${shown(stop)}`);
    }
    const found = all.map((text) => {
      if (text === "") throw new OptionError("a stop text is empty; leave it out");
      const tokens = this.#written(text);
      const forbidden = tokens.find(never);
      if (forbidden === undefined) return this.decode(tokens);
      throw new OptionError(
        `the stop text ${shown(text)} can never come: ${shown(this.decode([forbidden]))} is never ` +
          "drawn; allow it in logitBias, or drop the stop text",
      );
    });
    return this.end === null || never(this.mark) ? found : [...found, this.end];
  }
  /** The tokens of a stop text. @param {string} text */
  #written(text) {
    try {
      return this.encode(text, "error");
    } catch (error) {
      if (!(error instanceof UnknownCharacterError)) throw error;
      const [reason] = error.message.split(";");
      throw new OptionError(
        `the model can never write the stop text ${shown(text)}: ${reason}; drop it`,
      );
    }
  }
}
