/** Predictions: the ranking of labels by their logits, and what a caller gets of it. */

import { softmax } from "./drawing/sampling.js";
import { OptionError } from "./errors.js";
import { checkInteger, checkRange, must, withDefaults } from "./options.js";

/** @typedef {import("./text/vocabulary.js").Unknown} Unknown */
/** @typedef {{label: string, probability: number}} LabelProbability */
/** @typedef {NonNullable<import("./file/metadata.js").Metadata["classifier"]>} Section */

/**
 * The prediction for one text.
 *
 * @typedef {object} Prediction
 * @property {string} text The text that was classified.
 * @property {string | null} label The most likely label. null if the prediction abstains, or there is
 *   nothing to label.
 * @property {number} probability The probability of the most likely label. NaN if there is nothing to
 *   label.
 * @property {LabelProbability[]} top The most likely labels, the most likely first. With `coverage`
 *   they are the set.
 * @property {string[]} labels The labels of `top`.
 * @property {number[]} probabilities The probabilities of `top`.
 * @property {boolean} abstains True if no label reaches `minProbability`.
 * @property {"empty" | "unknown" | null} reason Why there are no labels: the text is empty or missing,
 *   or the model knows none of its characters.
 * @property {number} known Share of the text's characters that the model knows, from 0 to 1. An answer
 *   to little known text says little.
 */

/**
 * Options of a prediction.
 *
 * @typedef {object} Choice
 * @property {number} top The number of labels per prediction. Default 3.
 * @property {number} prior 0 (the default) takes the label frequencies of the training data; 1 takes
 *   all labels as equally frequent, which helps rare labels; values between are possible. The logits
 *   are lowered by prior · log(frequency).
 * @property {number} minProbability A prediction below it abstains: its `label` is null. Default 0.
 * @property {number | null} coverage Give a set of labels that holds the right one in at least this
 *   share of the texts, 0.9 for example, instead of `top` labels: split-conformal prediction from the
 *   held-out scores in the file. The texts must come from where the held-out rows came from.
 * @property {Unknown} unknown What to do with characters outside the vocabulary.
 */

/** @type {Choice} */
export const DEFAULT_CHOICE = { top: 3, prior: 0, minProbability: 0, coverage: null, unknown: "default" };

/** More than the rounding of a probability in float32: a label at the threshold is in the set. */
const FLOAT32 = 1e-6;
const ROUNDING = 1e-9;
/** The smallest normal number of float32: its log is finite. */
const SMALLEST = 2 ** -126;

/**
 * Check the options of a prediction.
 *
 * @template {Choice} T
 * @param {Partial<T>} options
 * @param {T} defaults
 * @returns {T}
 * @throws {OptionError} one is out of range.
 */
export function checkChoice(options, defaults) {
  const choice = withDefaults(options, defaults);
  const { top, prior, minProbability, coverage } = choice;
  checkInteger("top", top, 1);
  checkRange("prior", prior, 0, 1);
  checkRange("minProbability", minProbability, 0, 1);
  if (coverage !== null) {
    const fits = Number.isFinite(coverage) && coverage > 0 && coverage < 1;
    must(fits, "coverage", "a number above 0 and below 1", coverage);
    if (prior) {
      throw new OptionError(
        "coverage is for prior 0, at which the held-out scores were measured; leave one out",
      );
    }
  }
  return choice;
}

/**
 * Return the prediction for logits, or null if they are no numbers.
 *
 * @param {string} text
 * @param {Float32Array} logits
 * @param {Section} section
 * @param {Choice} choice
 * @param {number} known
 * @returns {Prediction | null}
 */
export function predict(text, logits, section, { top, prior, minProbability, coverage }, known) {
  const factor = Math.fround(prior);
  const probabilities = softmax(
    withNoise(logits, section.noise).map((each, i) => each - Math.fround(factor * Math.fround(section.log_prior[i]))),
  );
  if (!probabilities.every(Number.isFinite)) return null;
  const all = section.labels
    .map((label, i) => ({ label, probability: probabilities[i] }))
    .sort((a, b) => b.probability - a.probability);
  const [{ label, probability }] = all;
  const kept = coverage === null ? all.slice(0, top) : setOf(all, section.held_out, coverage);
  const abstains = probability < minProbability;
  return { ...answer(text, kept), label: abstains ? null : label, probability, abstains, known };
}

/**
 * Return logits that allow for labels which do not follow from the text: the log of
 * (1 - sum of `noise`) softmax(logits) + noise.
 *
 * @param {Float32Array} logits
 * @param {number[]} [noise] Probability of each label that comes by chance.
 */
function withNoise(logits, noise) {
  if (!noise) return logits;
  const kept = noise.reduce((rest, each) => rest - each, 1);
  const mixed = softmax(logits).map((each, i) => kept * each + noise[i]);
  return mixed.map((each) => Math.log(Math.max(each, SMALLEST)));
}

/**
 * Return the prediction for a text that is empty, missing, or has no known character.
 * @param {string | null | undefined} text
 * @returns {Prediction}
 */
export const nothingToLabel = (text) => ({
  ...answer(text ?? "", []),
  reason: text ? "unknown" : "empty",
});

/** @param {string} text @param {LabelProbability[]} top @returns {Prediction} */
const answer = (text, top) => ({
  text,
  label: null,
  probability: NaN,
  top,
  labels: top.map(({ label }) => label),
  probabilities: top.map(({ probability }) => probability),
  abstains: false,
  reason: null,
  known: 0,
});

/**
 * Return the labels of a prediction set. It has one at least.
 *
 * @param {LabelProbability[]} ranked
 * @param {Section["held_out"]} heldOut
 * @param {number} coverage
 */
function setOf(ranked, heldOut, coverage) {
  const score = threshold(heldOut, coverage);
  return ranked.filter(({ probability }, i) => !i || 1 - probability <= score + FLOAT32);
}

/**
 * Return the largest score of a label in a set. Of n held-out scores it is the one of rank
 * ceil((n + 1) coverage), or the next larger that the file keeps.
 *
 * @param {Section["held_out"]} heldOut
 * @param {number} coverage
 * @throws {OptionError} the file has no scores, or too few.
 */
export function threshold(heldOut, coverage) {
  if (!heldOut) {
    throw new OptionError(
      "coverage needs the scores of held-out rows, and this file has none: nothing was held out, or " +
        "an older version wrote it; train with --val-fraction or --val-data, or export the run again",
    );
  }
  const { rows, scores } = heldOut;
  const rank = Math.ceil((rows + 1) * coverage - ROUNDING);
  if (rank > rows) {
    const needed = Math.ceil(coverage / (1 - coverage) - ROUNDING);
    const most = Math.floor((1000 * rows) / (rows + 1)) / 1000;
    throw new OptionError(
      `coverage ${coverage} needs ${needed} held-out rows, and this file has the scores of ${rows}; ` +
        `ask for ${most} or less, or hold more rows out`,
    );
  }
  return scores[Math.ceil((rank * scores.length) / rows) - 1];
}
