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

  /** @param {string[]} stops none is empty, and none begins or ends within a character */
  constructor(stops) {
    this.#stops = stops;
  }

  /**
   * Take the next piece of text.
   *
   * @param {string} piece
   * @returns {Scanned}
   */
  scan(piece) {
    const text = this.#held + piece;
    const found = this.#stops
      .map((stop) => ({ stop, at: text.indexOf(stop), end: text.indexOf(stop) + stop.length }))
      .filter(({ at }) => at >= 0)
      // The stop text that ends first. Of several, the longest.
      .sort((a, b) => a.end - b.end || a.at - b.at);
    if (found.length) {
      const [{ stop, at, end }] = found;
      const used = codePoints(text.slice(0, end)) - codePoints(this.#held);
      this.#held = "";
      return { text: text.slice(0, at), stopped: stop, used };
    }
    const keep = text.length - this.#started(text);
    this.#held = text.slice(keep);
    return { text: text.slice(0, keep), stopped: null, used: codePoints(piece) };
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
