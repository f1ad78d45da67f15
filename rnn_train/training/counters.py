"""Counters of a run: steps, units, seconds and the smoothed loss."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

_KEPT = 0.98
"""Share of the smoothed loss that a step of usual size keeps."""


@dataclass
class Counters:
    """How far a run has come. A resumed run continues to count."""

    step: int = 0
    """Number of optimizer steps."""
    units: int = 0
    """Number of characters or texts that were trained on."""
    elapsed: float = 0.0
    """Seconds of training and validation."""
    loss: float = math.nan
    """Training loss in nats, exponentially smoothed over the steps. A step counts as its units do:
    a batch of few long rows counts less than one of many short rows."""
    loss_units: float = 0.0
    """Units of a step, smoothed in the same way."""

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> "Counters":
        """Takes the counters out of a checkpoint. Those of older versions lack `loss_units`; for
        these it is the mean over the run."""
        mean = state["units"] / max(1, state["step"])
        given = {"loss_units": mean, **state}
        return cls(**{each.name: given[each.name] for each in fields(cls)})

    @property
    def rate(self) -> float:
        """Units per second."""
        return self.units / max(self.elapsed, 1e-9)

    def add_step(self, loss: float, units: int) -> None:
        """Counts one step.

        Args:
            loss: mean of the batch, in nats.
            units: of the batch.
        """
        self.step += 1
        self.units += units
        before = _KEPT * self.loss_units
        self.loss_units = before + (1 - _KEPT) * units if self.loss_units else units
        if math.isnan(self.loss) or not before:
            self.loss = loss
        else:
            self.loss += (1 - before / self.loss_units) * (loss - self.loss)
