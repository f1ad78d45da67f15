"""Prediction sets: the threshold by its definition, what is kept of many scores, and refusals."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from rnn_infer import OptionError
from rnn_infer.conformal.threshold import (
    MAX_SCORES,
    check_coverage,
    held_out_scores,
    set_sizes,
    threshold,
)
from rnn_infer.contract import HeldOutScores


def scores_of(rows: int) -> tuple[NDArray[np.float64], HeldOutScores]:
    shares = np.random.default_rng(0).random(rows)
    found = held_out_scores(shares)
    assert found is not None
    return np.sort(1 - shares), found


@pytest.mark.parametrize("rows", [9, 57, 1000])
@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9])
def test_threshold_is_the_quantile(rows: int, coverage: float) -> None:
    exact, kept = scores_of(rows)
    rank = math.ceil(round((rows + 1) * coverage, 9))
    assert threshold(kept, coverage) == pytest.approx(exact[rank - 1], abs=1e-6)
    assert threshold(kept, coverage) >= exact[rank - 1]


@pytest.mark.parametrize("rows", [1001, 1500, 12_345])
def test_few_of_many_scores_are_kept(rows: int) -> None:
    exact, kept = scores_of(rows)
    assert (kept.rows, len(kept.scores)) == (rows, MAX_SCORES)
    for coverage in (0.5, 0.9, 0.99):
        rank = math.ceil((rows + 1) * coverage)
        found = threshold(kept, coverage)
        assert exact[rank - 1] <= found, "no set is smaller than with all scores"
        place = int(np.searchsorted(exact, found - 1e-6))
        assert place + 1 - rank <= rows / MAX_SCORES + 1


def test_sets_hold_the_label_as_often_as_asked() -> None:
    """Over many held-out parts of one source; a set of all labels would hold it always."""
    random = np.random.default_rng(1)
    held = []
    for _ in range(300):
        shares = random.random(40) ** 0.5
        held.append(1 - shares[-1] <= threshold(held_out_scores(shares[:-1]), 0.9))
    assert 0.85 <= np.mean(held) <= 0.95


def test_too_few_scores() -> None:
    _, kept = scores_of(8)
    with pytest.raises(OptionError, match=r"0\.9 needs 9 held-out rows.* of 8; ask for 0\.888 or"):
        threshold(kept, 0.9)
    assert threshold(kept, 0.888) == kept.scores[-1]
    assert threshold(scores_of(9)[1], 0.9) == scores_of(9)[1].scores[-1]
    one = HeldOutScores(1, (0.3,))
    assert threshold(one, 0.5) == 0.3
    with pytest.raises(OptionError, match=r"ask for 0\.5 or less"):
        threshold(one, 0.6)


def test_no_scores() -> None:
    assert held_out_scores(np.empty(0)) is None
    with pytest.raises(OptionError, match="nothing was held out"):
        threshold(None, 0.9)


@pytest.mark.parametrize("bad", [0, 1, -0.1, 1.5, math.nan, math.inf, "0.9", None, True])
def test_coverage_out_of_range(bad: object) -> None:
    with pytest.raises(OptionError, match="coverage must be a number above 0 and below 1"):
        check_coverage(bad)  # type: ignore[arg-type]


def test_sizes() -> None:
    shares = np.array([[0.7, 0.2, 0.1], [0.4, 0.35, 0.25]], np.float32)
    assert set_sizes(shares, 0.85).tolist() == [2, 3]
    assert set_sizes(shares, 0.65).tolist() == [1, 2]
    assert set_sizes(shares, 0.0).tolist() == [1, 1], "no set is empty"
    assert set_sizes(shares, 1.0).tolist() == [3, 3]
