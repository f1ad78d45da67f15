"""When a validation is due, and what it records."""

import math

import pytest

from rnn_train.training.config import TrainingConfig
from rnn_train.training.counters import Counters
from rnn_train.training.schedule import Schedule
from rnn_train.training.validation import ValidationTimer, metrics_row, summary_lines

COUNTERS = Counters(step=7, units=1000, elapsed=12.3456, loss=1.2345678)
FOUND = {"sample": "a\nb" * 40, "val_loss": 2.25, "val_accuracy": 0.5}


def timer(every: float, minutes: float | None, elapsed: float = 0.0) -> ValidationTimer:
    steps = None if minutes else 100
    return ValidationTimer(
        TrainingConfig(validate_every=every), Schedule(0.1, steps=steps, minutes=minutes), elapsed
    )


def test_run_of_steps_validates_at_its_interval() -> None:
    subject = timer(every=60, minutes=None, elapsed=100)
    assert not subject.due(159)
    assert subject.due(160)
    subject.record(began=160, ended=199)
    assert not subject.due(258)
    assert subject.due(259), "the interval begins when the validation ends"


def test_short_run_of_minutes_validates_six_times() -> None:
    assert not timer(every=60, minutes=1).due(9)
    assert timer(every=60, minutes=1).due(10)
    assert not timer(every=60, minutes=60).due(59)
    assert timer(every=60, minutes=60).due(60)


def test_slow_validation_is_less_frequent() -> None:
    subject = timer(every=60, minutes=60)
    subject.record(began=60, ended=70)
    assert not subject.due(70 + 99)
    assert subject.due(70 + 100), "ten seconds of training for each second of validation"


def test_metrics_row() -> None:
    row = metrics_row(COUNTERS, 0.004, FOUND)
    assert row == {
        "step": 7,
        "seconds": 12.35,
        "loss": 1.23457,
        "units_per_second": 81.0,
        "learning_rate": 0.004,
        "val_loss": 2.25,
        "val_accuracy": 0.5,
        "sample": "a\nb" * 40,
    }
    assert list(row)[-1] == "sample"


def test_metrics_row_before_the_first_step() -> None:
    row = metrics_row(Counters(), 0.0, {})
    assert math.isnan(Counters().loss)
    assert row["loss"] is None
    assert "sample" not in row


def test_summary_lines() -> None:
    figures, sample = summary_lines(COUNTERS, FOUND)
    assert figures == "step 7  train 1.2346  held out: loss 2.2500  accuracy 0.5000"
    assert sample == "  │ " + repr("a\nb" * 24)


@pytest.mark.parametrize("found", [{}, {"sample": ""}])
def test_nothing_to_show(found: dict[str, str]) -> None:
    assert summary_lines(COUNTERS, found) == []
