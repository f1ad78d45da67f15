/** Generation in a batch: several prompts in, one drawn text for each out. */

import { shownSeed } from "./drawing/seeds.js";
import { Streams } from "./drawing/streams.js";
import { pause } from "./pause.js";
import { StopScanner } from "./text/stop.js";

/** @typedef {import("./drawing/seeds.js").Seed} Seed */

/**
 * One generated text, and what is needed to draw it again.
 *
 * @typedef {object} Generation
 * @property {string} prompt The prompt as given.
 * @property {string} text The drawn text, without the prompt and without the stop text.
 * @property {Seed} seed The seed of this text.
 * @property {string | null} stopped The stop text that ended the text. null: it ended at the length.
 */

/** Characters per draw. After each draw the streams that met a stop text leave the batch. */
const CHUNK = 128;

/**
 * Draw the text that follows each prompt.
 *
 * @param {import("./runtime/stepper.js").Stepper} stepper
 * @param {import("./text/char_vocabulary.js").CharVocabulary} vocabulary
 * @param {string[]} prompts
 * @param {bigint[]} seeds one for each prompt
 * @param {object} how
 * @param {number} how.length
 * @param {import("./drawing/draw_rule.js").DrawRule} how.rule
 * @param {string[]} how.stops
 * @param {import("./text/vocabulary.js").Unknown} how.unknown
 * @returns {Promise<Generation[]>}
 */
export async function complete(stepper, vocabulary, prompts, seeds, { length, rule, stops, unknown }) {
  const drafts = prompts.map((prompt, i) => ({
    prompt,
    text: "",
    seed: shownSeed(seeds[i]),
    stopped: /** @type {string | null} */ (null),
  }));
  const scanners = new Map(drafts.map((draft) => [draft, new StopScanner(stops)]));
  const tokens = prompts.map((prompt) => vocabulary.encodePrompt(prompt, unknown));
  const streams = new Streams(stepper, seeds);
  if (prompts.length) await streams.feed(tokens);
  let running = drafts;
  for (let left = length; left > 0 && running.length; left -= CHUNK) {
    const drawn = await streams.draw(Math.min(CHUNK, left), rule);
    running.forEach((draft, i) => {
      const { text = "", stopped = null } = scanners.get(draft)?.scan(vocabulary.decode(drawn[i])) ?? {};
      draft.text += text;
      draft.stopped = stopped;
    });
    const going = [...running.keys()].filter((row) => running[row].stopped === null);
    if (going.length < running.length) streams.keep(going);
    running = going.map((row) => running[row]);
    await pause();
  }
  return drafts.map((draft) => ({ ...draft, text: draft.text + scanners.get(draft)?.rest() }));
}
