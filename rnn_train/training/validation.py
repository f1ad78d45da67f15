"""Validation during training: when it is due, and what it records."""

import math
from typing import Any

from rnn_train.training.config import TrainingConfig
from rnn_train.training.counters import Counters
from rnn_train.training.schedule import Schedule

_MIN_VALIDATIONS = 6
"""Validations of a run of minutes, at least, if each of them is short."""
_TRAINING_SHARE = 10
"""Seconds of training for each second of validation, at least, in a run of minutes."""
_SAMPLE_CHARACTERS = 72


class ValidationTimer:
    """Decides when the next validation is due."""

    def __init__(self, config: TrainingConfig, schedule: Schedule, elapsed: float) -> None:
        """Starts the timer.

        Args:
            config: `validate_every` is used.
            schedule: of the run.
            elapsed: seconds of the run so far.
        """
        self._every = config.validate_every
        self._minutes = schedule.minutes
        self._last = elapsed
        self._cost = 0.0

    def due(self, elapsed: float) -> bool:
        """Whether a validation is due after `elapsed` seconds of the run."""
        return elapsed - self._last >= self._interval()

    def record(self, began: float, ended: float) -> None:
        """Takes note of a validation, in seconds of the run."""
        self._last, self._cost = ended, ended - began

    def _interval(self) -> float:
        if self._minutes is None:
            return self._every
        # On a slow machine, validation must not take too much of the minutes.
        return max(
            min(self._every, self._minutes * 60 / _MIN_VALIDATIONS), _TRAINING_SHARE * self._cost
        )


def metrics_row(counters: Counters, learning_rate: float, found: dict[str, Any]) -> dict[str, Any]:
    """Makes one row of metrics.jsonl.

    Args:
        counters: of the run.
        learning_rate: of the last step.
        found: what the objective's `validate` returned.
    """
    figures = {name: value for name, value in found.items() if name != "sample"}
    row = {
        "step": counters.step,
        "seconds": round(counters.elapsed, 2),
        "loss": None if math.isnan(counters.loss) else round(counters.loss, 5),
        "units_per_second": round(counters.rate, 1),
        "learning_rate": learning_rate,
        **figures,
    }
    if found.get("sample"):
        row["sample"] = found["sample"]
    return row


def summary_lines(counters: Counters, found: dict[str, Any]) -> list[str]:
    """Makes the lines that are shown to the user after a validation.

    Args:
        counters: of the run.
        found: what the objective's `validate` returned.
    """
    figures = {name: value for name, value in found.items() if name != "sample"}
    lines = []
    if figures:
        shown = "  ".join(
            f"{name.removeprefix('val_')} {value:.4f}" for name, value in figures.items()
        )
        lines.append(f"step {counters.step}  train {counters.loss:.4f}  held out: {shown}")
    if found.get("sample"):
        lines.append(f"  │ {found['sample'][:_SAMPLE_CHARACTERS]!r}")
    return lines
