"""Counters of a run."""

import math
from dataclasses import asdict

import pytest

from rnn_train.training.counters import Counters


def test_steps_are_counted() -> None:
    counters = Counters()
    assert math.isnan(counters.loss)
    counters.add_step(3.0, 100)
    assert (counters.step, counters.units, counters.loss) == (1, 100, 3.0)
    counters.add_step(1.0, 100)
    assert (counters.step, counters.units) == (2, 200)
    assert counters.loss == pytest.approx(0.98 * 3 + 0.02 * 1)


def test_each_row_counts_the_same() -> None:
    """Batches of 90 rows with the loss 1, and of 10 rows with the loss 2: 1.1 in the mean."""
    counters = Counters()
    for _ in range(500):
        counters.add_step(1.0, 90)
        counters.add_step(2.0, 10)
    assert counters.loss == pytest.approx(1.1, abs=0.01)


def test_a_window_in_which_no_row_ends_does_not_count() -> None:
    counters = Counters()
    counters.add_step(4.0, 0)
    assert counters.loss == 4
    counters.add_step(3.0, 10)
    counters.add_step(7.0, 0)
    assert counters.loss == 3
    assert counters.units == 10


def test_rate() -> None:
    assert Counters(units=300, elapsed=1.5).rate == 200
    assert Counters().rate == 0, "no division by zero before the first step"


def test_checkpoints_have_these_names() -> None:
    assert list(asdict(Counters())) == ["step", "units", "elapsed", "loss", "loss_units"]


def test_a_checkpoint_of_an_older_version_goes_on() -> None:
    kept = {"step": 4, "units": 400, "elapsed": 2.0, "loss": 3.0, "model": {}}
    counters = Counters.of(kept)
    assert counters == Counters(4, 400, 2.0, 3.0, 100)
    counters.add_step(1.0, 100)
    assert counters.loss == pytest.approx(0.98 * 3 + 0.02 * 1)
    assert Counters.of(asdict(counters)) == counters
