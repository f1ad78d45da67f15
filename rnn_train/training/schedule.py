"""Schedule: how long a run lasts, and its learning rate at each moment."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """A budget of minutes or of steps. Over it, progress goes from 0 to 1."""

    peak_rate: float
    """Highest learning rate."""
    steps: int | None
    """Number of optimizer steps; None: `minutes` is the budget."""
    minutes: float | None
    """Wall-clock minutes of training, without interruptions; None: `steps` is the budget."""
    warmup: float = 0.02
    """Share of the run in which the learning rate rises."""
    part: int = 0
    """Number of the part of the run that this schedule is for. A finished run that goes on begins
    another part, with a schedule of its own."""
    first_step: int = 0
    """Step at which the part began."""
    first_second: float = 0.0
    """Seconds of training at which the part began."""
    restart: float = 1.0
    """Progress at which the rate rises once more; 1: it does not."""
    restart_rate: float = 1.0
    """Highest learning rate after that, as a share of `peak_rate`."""
    held: bool = False
    """Whether the rate stays at its highest until the restart. The average of the weights then does
    what a falling rate does: it takes the noise of single batches away."""

    @classmethod
    def of(
        cls, rate: float, steps_per_epoch: int, epochs: float | None, minutes: float | None
    ) -> "Schedule":
        """Makes a schedule from a budget of epochs or of minutes.

        Args:
            rate: highest learning rate.
            steps_per_epoch: optimizer steps in an epoch.
            epochs: None: `minutes` is the budget.
            minutes: of training.
        """
        if epochs is None:
            return cls(rate, steps=None, minutes=minutes)
        return cls(rate, steps=max(1, round(epochs * steps_per_epoch)), minutes=None)

    def progress(self, step: int, elapsed: float, step_seconds: float = 0.0) -> float:
        """Computes how much of the run is over.

        Args:
            step: number of steps of the run so far.
            elapsed: seconds of training of the run so far.
            step_seconds: duration of a step. A run of minutes ends if another step would exceed
                its limit.

        Returns:
            0 at the start; 1 or more at the end.
        """
        if self.steps is not None:
            return (step - self.first_step) / self.steps
        assert self.minutes is not None
        return (elapsed - self.first_second + step_seconds) / (self.minutes * 60)

    def rate(self, progress: float) -> float:
        """Computes the learning rate.

        It rises linearly and then falls to 0 as a cosine; with a warm restart, it does both twice
        (Loshchilov & Hutter, 2017, "SGDR"). If it is held, it does not fall before the restart.

        Args:
            progress: see `progress`.
        """
        if progress < self.restart:
            return self.peak_rate * self._share(progress / self.restart, self.held)
        if self.restart == 1:
            return 0.0
        again = (progress - self.restart) / (1 - self.restart)
        return self.restart_rate * self.peak_rate * self._share(again)

    def _share(self, progress: float, held: bool = False) -> float:
        """Computes the rate as a share of the highest one, between two restarts."""
        if progress < self.warmup:
            return max(progress / self.warmup, 0.01)
        if held:
            return 1.0
        share = min(1.0, (progress - self.warmup) / (1 - self.warmup))
        return 0.5 * (1 + math.cos(math.pi * share))
