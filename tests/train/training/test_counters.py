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
    counters.add_step(1.0, 50)
    assert (counters.step, counters.units) == (2, 150)
    assert counters.loss == pytest.approx(0.98 * 3 + 0.02 * 1)


def test_rate() -> None:
    assert Counters(units=300, elapsed=1.5).rate == 200
    assert Counters().rate == 0, "no division by zero before the first step"


def test_checkpoints_of_old_runs_have_these_names() -> None:
    assert list(asdict(Counters())) == ["step", "units", "elapsed", "loss"]
