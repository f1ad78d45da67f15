const MAX_LABELS = 10_000;

/**
 * The part of a metadata document that only a classifier has.
 * @type {import("./metadata.js").Kinds}
 */
export const CLASSIFIER = {
  classifier: {
    form: {
      labels: "text*",
      begin: "text",
      end: "text",
      log_prior: "number*",
      "held_out?": { rows: "integer", scores: "number*" },
      "noise?": "number*",
    },
    check({ labels, begin, end, log_prior, held_out, noise }, require, fits) {
      const { length } = labels;
      require(length > 0 && length <= MAX_LABELS, "labels are missing or too many");
      require(new Set(labels).size === length, "labels repeat");
      require(log_prior.length === length, "log_prior needs one per label");
      fits(begin, "classifier.begin");
      fits(end, "classifier.end");
      if (held_out) checkScores(held_out, require);
      if (noise) {
        require(noise.length === length, "noise needs one probability per label");
        let sum = 0;
        for (const share of noise) sum += share;
        require(sum < 1 && Math.min(...noise) >= 0, "noise is no part of a distribution");
      }
    },
  },
};

/**
 * @param {{rows: number, scores: number[]}} heldOut
 * @param {import("./metadata.js").Require} require
 */
function checkScores({ rows, scores }, require) {
  const few = scores.length > 0 && scores.length <= rows;
  require(few, "held_out needs from one score to one per row");
  const inside = scores.every((score) => score >= 0 && score <= 1);
  require(inside, "held_out.scores are out of range");
  const ascending = scores.every((score, i) => !i || scores[i - 1] <= score);
  require(ascending, "held_out.scores do not ascend");
}
