"""The progress bar of a training run."""

import sys
from types import TracebackType
from typing import Any, Self

from rnn_train.progress import progress_bar
from rnn_train.training.counters import Counters
from rnn_train.training.schedule import Schedule


class TrainingBar:
    """A progress bar over the minutes of a run, or over its steps. Use it in a `with` statement."""

    def __init__(self, schedule: Schedule, counters: Counters, unit: str) -> None:
        """Opens the bar.

        Args:
            schedule: of the run.
            counters: of the run; the bar follows them.
            unit: name of the objective's unit.
        """
        self._schedule = schedule
        self._counters = counters
        self._unit = unit
        total = round(schedule.minutes * 60) if schedule.minutes else schedule.steps
        assert total is not None
        self._bar: Any = progress_bar(
            total,
            "training",
            initial=self._position(),
            bar_format="{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.close()

    def update(self) -> None:
        """Shows the counters as they are now."""
        counters = self._counters
        self._bar.set_postfix_str(
            f"loss {counters.loss:.3f}, {counters.rate:,.0f} {self._unit}/s", refresh=False
        )
        self._bar.n = min(self._position(), self._bar.total)
        self._bar.update(0)

    def show(self, what: str) -> None:
        """Shows what is done now, for instance "measuring"."""
        self._bar.set_description(what)

    def write(self, line: str) -> None:
        """Writes a line above the bar."""
        if sys.stdout is not None:  # a program without a console has none
            self._bar.write(line)

    def _position(self) -> int:
        schedule, counters = self._schedule, self._counters
        if schedule.minutes is None:
            return counters.step - schedule.first_step
        return round(counters.elapsed - schedule.first_second)
