"""Divergence: a loss that is not finite, or that rises again."""

import math
from collections.abc import Iterable
from pathlib import Path

from rnn_train.errors import TrainingError
from rnn_train.training.learner import StepResult

MAX_RISE = 1.0
"""Nats. The smoothed loss of a healthy run never rises by so much above its minimum."""


def check_finite(result: StepResult, step: int, checkpoints: Path) -> None:
    """Checks the loss and the gradient of one step.

    Args:
        result: of the step.
        step: number of the step.
        checkpoints: folder of the checkpoints, for the message.

    Raises:
        TrainingError: the loss is not finite; or the gradient is not finite and no smaller loss
            scale can help.
    """
    if not result.sound:
        figures = f" ({result.loss}, gradient {result.gradient_norm:g})"
        raise _error("is not a finite number", step, checkpoints, figures)


def check_rise(loss: float, earlier: Iterable[float], step: int, checkpoints: Path) -> None:
    """Checks that the smoothed loss has not risen far: such a run would not recover.

    Args:
        loss: smoothed loss now, in nats; NaN before the first step.
        earlier: smoothed losses at earlier validations, in nats.
        step: number of the step.
        checkpoints: folder of the checkpoints, for the message.

    Raises:
        TrainingError: the loss is more than `MAX_RISE` above the lowest earlier one.
    """
    lowest = min(earlier, default=math.inf)
    if loss > lowest + MAX_RISE:
        raise _error(f"has risen from {lowest:.3f} to {loss:.3f}", step, checkpoints)


def _error(what: str, step: int, checkpoints: Path, figures: str = "") -> TrainingError:
    return TrainingError(
        f"training has diverged: the loss {what} at step {step}{figures}; start again with a lower "
        f"--learning-rate (earlier checkpoints are kept in {checkpoints})"
    )
