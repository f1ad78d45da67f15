"""Counters of a run: steps, units, seconds and the smoothed loss."""

import math
from dataclasses import dataclass


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
    """Training loss in nats, exponentially smoothed over the steps."""

    @property
    def rate(self) -> float:
        """Units per second."""
        return self.units / max(self.elapsed, 1e-9)

    def add_step(self, loss: float, units: int) -> None:
        """Counts one step.

        Args:
            loss: of the batch, in nats.
            units: of the batch.
        """
        self.step += 1
        self.units += units
        self.loss = loss if math.isnan(self.loss) else 0.98 * self.loss + 0.02 * loss
