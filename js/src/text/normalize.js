/**
 * Apply a file's rules to a text: first for line ends, then for Unicode normalisation.
 *
 * @param {string} text
 * @param {import("../file/metadata.js").Metadata["text"]} rules
 */
export function normalize(text, { newlines, normalization }) {
  const lines = newlines === "lf" ? text.replace(/\r\n?/g, "\n") : text;
  return normalization === "NFC" ? lines.normalize("NFC") : lines;
}
