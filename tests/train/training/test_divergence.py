"""Divergence is detected, and the message says what to do."""

import math
from pathlib import Path

import pytest

from rnn_train.errors import TrainingError
from rnn_train.training.divergence import MAX_RISE, check_finite, check_rise
from rnn_train.training.learner import StepResult

FOLDER = Path("runs/x/checkpoints")


def test_sound_step_passes() -> None:
    check_finite(StepResult(2.0, 0.5, 10, sound=True), 3, FOLDER)


@pytest.mark.parametrize(("loss", "norm"), [(math.nan, 1.0), (2.0, math.inf)])
def test_loss_or_gradient_is_not_finite(loss: float, norm: float) -> None:
    with pytest.raises(TrainingError, match=r"at step 3 .*lower --learning-rate") as raised:
        check_finite(StepResult(loss, norm, 10, sound=False), 3, FOLDER)
    message = str(raised.value)
    assert str(FOLDER) in message
    assert f"({loss}, gradient {norm:g})" in message
    assert "\n" not in message


@pytest.mark.parametrize("earlier", [[], [2.0], [5.0, 2.0, 2.9]])
def test_small_rise_passes(earlier: list[float]) -> None:
    check_rise(2.0 + MAX_RISE, earlier, 9, FOLDER)


def test_first_validation_has_no_loss() -> None:
    check_rise(math.nan, [], 0, FOLDER)
    check_rise(math.nan, [2.0], 0, FOLDER)


def test_large_rise() -> None:
    with pytest.raises(TrainingError, match=r"risen from 2\.000 to 3\.010 at step 9; start again"):
        check_rise(3.01, [5.0, 2.0, 2.9], 9, FOLDER)
