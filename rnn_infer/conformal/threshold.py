"""The threshold of a prediction set, from the held-out scores in a model file.

A label's score is 1 minus its probability. A set holds the labels whose score is at most the
threshold, which is a quantile of the scores that the right labels of held-out rows have. If a text
comes from where the held-out rows come from, the set holds its right label with at least the asked
share: split-conformal prediction (Vovk, Gammerman and Shafer, 2005, "Algorithmic learning in a
random world"), with the least ambiguous sets (Sadinle, Lei and Wasserman, 2019).
"""

import math

import numpy as np
from numpy.typing import NDArray

from rnn_infer.contract import HeldOutScores
from rnn_infer.errors import OptionError

_ROUNDING = 1e-9
_FLOAT32 = 1e-6
"""More than the rounding of a probability in float32: a label at the threshold is in the set."""
MAX_SCORES = 1000
"""Most scores that a file keeps."""


def check_coverage(coverage: float) -> None:
    """Raises `OptionError`: the coverage is no number between 0 and 1."""
    number = isinstance(coverage, int | float | np.number) and not isinstance(coverage, bool)
    if not number or not 0 < coverage < 1:
        raise OptionError(f"coverage must be a number above 0 and below 1, got {coverage!r}")


def threshold(scores: HeldOutScores | None, coverage: float) -> float:
    """Return the largest score of a label in the set.

    Of n held-out scores it is the one of rank ceil((n + 1) coverage), or the next larger that the
    file keeps.

    Args:
        scores: of a file; None: it has none.
        coverage: share of the sets that shall hold the right label.

    Raises:
        OptionError: the file has no scores or too few, or `coverage` is out of range.
    """
    check_coverage(coverage)
    if scores is None:
        raise OptionError(
            "coverage needs the scores of held-out rows, and this file has none: nothing was held "
            "out, or an older version wrote it; train with --val-fraction or --val-data, or export "
            "the run again"
        )
    rows, kept = scores.rows, scores.scores
    rank = math.ceil((rows + 1) * coverage - _ROUNDING)
    if rank > rows:
        needed = math.ceil(coverage / (1 - coverage) - _ROUNDING)
        most = math.floor(1000 * rows / (rows + 1)) / 1000
        raise OptionError(
            f"coverage {coverage:g} needs {needed:,} held-out rows, and this file has the scores "
            f"of {rows:,}; ask for {most:g} or less, or hold more rows out"
        )
    return kept[math.ceil(rank * len(kept) / rows) - 1]


def set_sizes(probabilities: NDArray[np.floating], score: float) -> NDArray[np.int64]:
    """Return how many of the most likely labels are in each set. None is empty.

    Args:
        probabilities: [rows, labels], the largest first.
        score: see `threshold`.
    """
    inside = 1 - probabilities.astype(np.float64) <= score + _FLOAT32
    sizes: NDArray[np.int64] = np.maximum(inside.sum(-1), 1)
    return sizes


def held_out_scores(probabilities: NDArray[np.floating]) -> HeldOutScores | None:
    """Return the scores to keep in a file: all of them, or evenly spaced ones of many.

    Args:
        probabilities: of the right label of each held-out row, [rows].

    Returns:
        The scores, rounded up. None: there are no rows.
    """
    rows = len(probabilities)
    if not rows:
        return None
    scores = np.sort(1 - probabilities.astype(np.float64))
    count = min(rows, MAX_SCORES)
    ranks = -(-(np.arange(count) + 1) * rows // count)  # the last one is `rows`
    kept = np.minimum(np.ceil(scores[ranks - 1] * 1e6) / 1e6, 1.0)
    return HeldOutScores(rows=rows, scores=tuple(kept.tolist()))
