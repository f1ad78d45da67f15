"""What a session says of its budget."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rnn_train import training_lines
from rnn_train.training.schedule import Schedule
from rnn_train.training_session import TrainingReport

Start = Callable[..., TrainingReport]


@pytest.mark.parametrize(
    ("steps", "minutes", "expected"),
    [
        (10, None, "7 steps left"),
        (2, None, "0 steps left"),
        (None, 1.5, "0.5 minutes left"),
        (None, 0.5, "0.0 minutes left"),
    ],
)
def test_time_left(steps: int | None, minutes: float | None, expected: str) -> None:
    schedule = Schedule(0.1, steps, minutes)
    trainer: Any = SimpleNamespace(schedule=schedule, step=3, elapsed=60.0)
    assert training_lines.time_left(trainer) == expected
    trainer.schedule = Schedule(0.1, steps, minutes, first_step=100, first_second=600.0)
    trainer.step, trainer.elapsed = 103, 660.0
    assert training_lines.time_left(trainer) == expected


@pytest.mark.parametrize(
    ("step", "minutes", "warned"),
    [(1, 1.0, True), (49, 1.0, True), (50, 1.0, False), (1, None, False)],
)
def test_few_steps_in_the_minutes(step: int, minutes: float | None, warned: bool) -> None:
    steps = None if minutes else 1
    trainer: Any = SimpleNamespace(schedule=Schedule(0.1, steps, minutes), step=step)
    assert bool(training_lines.step_warnings(trainer)) == warned
    trainer.schedule = Schedule(0.1, steps, minutes, first_step=100)
    trainer.step += 100
    assert bool(training_lines.step_warnings(trainer)) == warned


def test_a_run_with_time_for_few_steps_says_so(
    start: Start, story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(training_lines, "_FEW_STEPS", 10**9)
    start("charlm", story, epochs=None, minutes=0.02, log=lines.append)
    assert any("more --minutes" in line for line in lines)
