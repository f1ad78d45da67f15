import { OptionError } from "./errors.js";

/**
 * The result of one piece of text.
 *
 * @typedef {object} Scanned
 * @property {string} text The text that can be returned now. An end that may be the start of a stop
 *   text is held back.
 * @property {string | null} stopped The stop text that was found.
 * @property {number} used Characters of the piece up to the end of the stop text. All of them if
 *   none was found.
 */

/** Looks for stop texts in one stream. The result does not depend on how the text is cut. */
export class StopScanner {
  #held = "";
  #stops;

  /**
   * @param {string | string[]} stops one stop text, or several
   * @throws {OptionError} a stop text is empty.
   */
  constructor(stops) {
    const all = typeof stops === "string" ? [stops] : stops;
    if (!Array.isArray(all) || !all.every((each) => typeof each === "string")) {
      throw new OptionError("stop must be a text or an array of texts");
    }
    if (all.includes("")) throw new OptionError("a stop text is empty; leave it out");
    // Half a surrogate pair is in no text, but could be found inside a character.
    this.#stops = all.filter((each) => each.isWellFormed());
  }

  /**
   * Take the next piece of text.
   *
   * @param {string} piece
   * @returns {Scanned}
   */
  scan(piece) {
    const text = this.#held + piece;
    let end = Infinity;
    let found = null;
    for (const stop of this.#stops) {
      const at = text.indexOf(stop);
      if (at < 0) continue;
      const own = at + stop.length;
      // The stop text that ends first. Of several, the longest.
      if (own < end || (own === end && stop.length > (found ?? "").length)) {
        [end, found] = [own, stop];
      }
    }
    if (found !== null) {
      const used = codePoints(text.slice(0, end)) - codePoints(this.#held);
      this.#held = "";
      return { text: text.slice(0, end - found.length), stopped: found, used };
    }
    const keep = this.#started(text);
    this.#held = text.slice(text.length - keep);
    return { text: text.slice(0, text.length - keep), stopped: null, used: codePoints(piece) };
  }

  /** Return the text that was held back. Call it when no more text comes. */
  rest() {
    const held = this.#held;
    this.#held = "";
    return held;
  }

  /**
   * Return the length of the longest end of a text that is the start of a stop text.
   * @param {string} text
   */
  #started(text) {
    const longest = Math.max(1, ...this.#stops.map((each) => each.length)) - 1;
    for (let size = Math.min(longest, text.length); size > 0; size -= 1) {
      const end = text.slice(-size);
      if (this.#stops.some((stop) => stop.startsWith(end))) return size;
    }
    return 0;
  }
}

/** @param {string} text */
const codePoints = (text) => Array.from(text).length;
