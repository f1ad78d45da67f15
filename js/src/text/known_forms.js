/** Other forms of an unknown character that a vocabulary knows: composed, decomposed, folded. */

/** Whether all characters of a text are known. @typedef {(text: string) => boolean} Knows */

/** Accents of one character. No language has more (Unicode Standard Annex 15). */
const MOST_ACCENTS = 30;

/**
 * Put canonically equal forms in place of unknown characters, where known: the composed one (é for e
 * and an accent), or the decomposed one.
 *
 * @param {string[]} chars of a normalised text
 * @param {Knows} knows
 * @returns {{known: string[], place: number}} the characters, and the place of the first one without a
 *   known form, -1 if there is none
 */
export function withKnownForms(chars, knows) {
  /** @type {string[]} */
  const known = [];
  let [done, seen, place] = [0, 0, -1];
  for (let at = 0; at < chars.length; at += 1) {
    if (at < seen || knows(chars[at])) continue;
    const [begin, end] = cluster(chars, at);
    const text = chars.slice(begin, end).join("");
    const form = ["NFC", "NFD"].map((name) => text.normalize(name)).find(knows);
    seen = end;
    if (form === undefined || begin < done) {
      if (place < 0) place = at;
      continue;
    }
    known.push(...chars.slice(done, begin), ...form);
    done = end;
  }
  return { known: [...known, ...chars.slice(done)], place };
}

/**
 * Return begin and end of the character at a place, with the accents that follow its base.
 *
 * @param {string[]} chars
 * @param {number} at
 */
function cluster(chars, at) {
  let [begin, end] = [at, at + 1];
  while (begin > Math.max(0, at - MOST_ACCENTS) && isExtending(chars[begin])) begin -= 1;
  while (end <= at + MOST_ACCENTS && end < chars.length && isExtending(chars[end])) end += 1;
  return [begin, end];
}

/** Whether a character joins the one before it: an accent, or a vowel of Hangul. @param {string} char */
const isExtending = (char) =>
  /^[\u1160-\u11ff]/.test(char) || isCombining(Array.from(char.normalize("NFD"))[0]);

/**
 * Return whether a decomposed character has a combining class other than 0. JavaScript has no table
 * of these classes, but its normalisation sorts by them: U+0345 has the highest, U+0334 the lowest.
 *
 * @param {string} char
 */
const isCombining = (char) =>
  ["\u0345" + char, char + "\u0334"].some((pair) => pair.normalize("NFD") !== pair);

/**
 * Return the nearest text of known characters, or an empty text. Tried in turn: the compatibility form
 * without accents, that form in the other cases, and the character in the other cases.
 *
 * @param {string} char
 * @param {Knows} knows
 */
export function fold(char, knows) {
  const parts = Array.from(char.normalize("NFKD"));
  const bare = parts.filter((each) => !isCombining(each)).join("");
  const forms = [bare, char].flatMap((each) => [each, each.toLowerCase(), each.toUpperCase()]);
  return forms.find((each) => each && knows(each)) ?? "";
}
