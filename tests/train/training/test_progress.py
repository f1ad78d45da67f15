"""The progress bar of a training run."""

import sys

import pytest

from rnn_train.training.counters import Counters
from rnn_train.training.progress import TrainingBar
from rnn_train.training.schedule import Schedule


def test_bar_over_steps(capsys: pytest.CaptureFixture[str]) -> None:
    counters = Counters()
    with TrainingBar(Schedule(0.1, steps=40, minutes=None), counters, "texts") as bar:
        assert "training   0%" in capsys.readouterr().err
        counters.step, counters.units, counters.elapsed, counters.loss = 10, 3000, 1.5, 2.25
        bar.update()
    shown = capsys.readouterr().err
    assert "training  25%" in shown
    assert "loss 2.250, 2,000 texts/s" in shown


def test_bar_over_minutes(capsys: pytest.CaptureFixture[str]) -> None:
    counters = Counters(step=10**6, elapsed=90)
    with TrainingBar(Schedule(0.1, steps=None, minutes=2), counters, "texts") as bar:
        assert "training  75%" in capsys.readouterr().err, "a resumed run starts where it was"
        counters.elapsed = 500
        bar.update()
    assert "training 100%" in capsys.readouterr().err


def test_lines_are_written_above_the_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with TrainingBar(Schedule(0.1, steps=40, minutes=None), Counters(), "texts") as bar:
        bar.write("a line")
    assert "a line\n" in capsys.readouterr().out


def test_program_without_a_console(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    with TrainingBar(Schedule(0.1, steps=40, minutes=None), Counters(), "texts") as bar:
        bar.write("a line")
        bar.show("measuring")
        bar.update()
