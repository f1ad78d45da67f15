"""How long a run lasts and which learning rate each moment gets."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """A budget of minutes or of steps. Progress runs from 0 to 1 over it."""

    peak_rate: float
    steps: int | None
    """Total optimizer steps; None where `minutes` rules."""
    minutes: float | None
    """Total wall-clock minutes, over all sittings of a resumed run."""
    warmup: float = 0.02
    """Share of the run in which the rate rises."""

    @classmethod
    def of(
        cls, rate: float, steps_per_epoch: int, epochs: float | None, minutes: float | None
    ) -> "Schedule":
        """From a budget of epochs, or else of minutes."""
        if epochs is None:
            return cls(rate, steps=None, minutes=minutes)
        return cls(rate, steps=max(1, round(epochs * steps_per_epoch)), minutes=None)

    def progress(self, step: int, elapsed: float, step_seconds: float = 0.0) -> float:
        """Share of the run that is over: after `step` steps and `elapsed` seconds.

        `step_seconds`, a typical step's time, makes a run of minutes end before its limit
        rather than one step after.
        """
        if self.steps is not None:
            return step / self.steps
        assert self.minutes is not None
        return (elapsed + step_seconds) / (self.minutes * 60)

    def rate(self, progress: float) -> float:
        """Linear warm-up, then a cosine to zero (Loshchilov & Hutter, 2017, SGDR)."""
        if progress < self.warmup:
            return self.peak_rate * max(progress / self.warmup, 0.01)
        share = min(1.0, (progress - self.warmup) / (1 - self.warmup))
        return self.peak_rate * 0.5 * (1 + math.cos(math.pi * share))
