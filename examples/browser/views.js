/** What the page draws: the bars of the next characters, and the belief letter by letter. */

const BARS = 10;
const COLOURS = 6;

/** A probability as the page shows it. */
export const percent = (share) => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %`;

/** A character as the page shows it. */
export const shown = (char) => ({ "\n": "⏎", " ": "␣", "\t": "⇥" })[char] ?? char;

/** Make an element with children. */
export function element(name, ...children) {
  const made = document.createElement(name);
  made.append(...children);
  return made;
}

/** Fill a list with the most likely next characters, each with a bar. */
export function showNext(list, vocabulary, probabilities) {
  const ranked = Array.from(probabilities, (share, token) => ({ share, char: vocabulary[token] }))
    .sort((a, b) => b.share - a.share)
    .slice(0, BARS);
  list.replaceChildren(
    ...ranked.map(({ share, char }) => {
      const parts = [element("b", shown(char)), element("i"), element("span", percent(share))];
      const item = element("li", ...parts);
      item.style.setProperty("--share", `${100 * share}%`);
      return item;
    }),
  );
}

/** Fill a list with one column for each letter, and another with what the colours mean. */
export function showBelief(columns, legend, trace) {
  const colours = coloursOf(trace);
  columns.replaceChildren(...trace.map((each) => column(each, colours)));
  const { top } = trace[trace.length - 1];
  legend.replaceChildren(
    ...[...colours].map(([label, colour]) => {
      const mark = element("i");
      mark.style.setProperty("--colour", colour);
      return element("li", mark, `${label} ${percent(probabilityOf(top, label))}`);
    }),
  );
}

function column({ text, top }, colours) {
  const bar = element("div");
  for (const [label, colour] of colours) {
    const probability = probabilityOf(top, label);
    const part = element("i");
    part.title = `${label} ${percent(probability)}`;
    part.style.setProperty("--share", `${100 * probability}%`);
    part.style.setProperty("--colour", colour);
    bar.append(part);
  }
  const best = top.slice(0, 3).map(({ label, probability }) => `${label} ${percent(probability)}`);
  const made = element("li", bar, element("b", Array.from(text).pop()));
  made.ariaLabel = `after ${text}: ${best.join(", ")}`;
  return made;
}

const probabilityOf = (top, label) => top.find((each) => each.label === label).probability;

/** Give the labels that mattered most their colours: the final one first. */
function coloursOf(trace) {
  const weight = new Map();
  trace.forEach(({ top }, i) => {
    const own = i === trace.length - 1 ? trace.length : 1;
    for (const { label, probability } of top) {
      weight.set(label, (weight.get(label) ?? 0) + own * probability);
    }
  });
  const ranked = [...weight].sort((a, b) => b[1] - a[1]).slice(0, COLOURS);
  return new Map(ranked.map(([label], i) => [label, `var(--series-${i})`]));
}
