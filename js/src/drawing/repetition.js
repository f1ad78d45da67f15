/** Repetition: which characters would repeat a passage, and how often it occurred. */

/** A character repeats a passage if it follows the same characters before it, so many. */
const CONTEXT = 5;
/** Repetitions are looked for among so many of the last drawn tokens. */
export const WINDOW = 256;

/**
 * Return how often each token followed the context before: the same tokens as are now last.
 *
 * @param {number[]} recent the last drawn tokens
 * @returns {Map<number, number>}
 */
export function repetitions(recent) {
  const found = new Map();
  const context = recent.slice(-CONTEXT);
  for (let at = CONTEXT; at < recent.length; at += 1) {
    if (context.every((token, i) => recent[at - CONTEXT + i] === token)) {
      found.set(recent[at], (found.get(recent[at]) ?? 0) + 1);
    }
  }
  return found;
}
