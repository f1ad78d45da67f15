"""The interface between the training loop and a model with its data."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from rnn_train.distributed.share import Share
from rnn_train.training.schedule import Schedule


class Objective(Protocol):
    """A model, its data and its loss, as the training loop sees them."""

    @property
    def model(self) -> nn.Module:
        """The model that is trained."""

    @property
    def gates(self) -> Sequence[nn.Parameter]:
        """The gate matrices, which `Muon` may train."""

    @property
    def tables(self) -> Sequence[nn.Parameter]:
        """Look-up tables, of which a batch reads few rows; `RowAdagrad` may train them."""

    @property
    def bfloat16(self) -> bool:
        """Whether bfloat16 makes training faster, and no worse, on a CPU that supports it."""

    @property
    def unit(self) -> str:
        """Name of the unit in which a batch is counted: "characters" or "texts"."""

    def loss(self, step: int) -> tuple[Tensor, int]:
        """Computes the mean loss of one batch.

        Args:
            step: number of the batch since the start of training.

        Returns:
            The loss in nats, with gradient; and the size of the batch, in units.
        """

    def around_step(self) -> AbstractContextManager[None]:
        """Returns a context that is entered for each forward and backward pass."""

    def validate(self, model: nn.Module) -> dict[str, Any]:
        """Evaluates a model on the held-out data.

        Args:
            model: a copy of `model` with averaged weights, in evaluation mode.

        Returns:
            Metrics by name: `val_loss` in nats and possibly others, if there are held-out data;
            and possibly `sample`, a text that the model has generated.
        """

    def state(self) -> dict[str, Any]:
        """Returns the state that a checkpoint must hold besides the weights."""

    def restore(self, state: dict[str, Any]) -> None:
        """Loads what `state` has returned."""


class SharedObjective(Objective, Protocol):
    """An objective whose batches several processes share.

    `loss` then computes the part of the mean loss that comes from `share`: the parts of all shares
    add up to the mean. Its second result is still the size of the whole batch.
    """

    share: Share
    """The rows of each batch that this process computes."""

    @property
    def carried(self) -> Sequence[Tensor]:
        """What a step takes over from the one before, of the whole batch, on the model's device.
        After `loss`, the rows of other shares are zeros."""

    @property
    def phase(self) -> int | None:
        """Step at which the last phase began; None: it has not, or there is none."""

    def follow(self, phase: int | None, carried: Sequence[Tensor]) -> None:
        """Takes over where the process that leads is. It measures nothing.

        Args:
            phase, carried: the properties of its objective.
        """


@runtime_checkable
class TwoPhases(Protocol):
    """An objective that changes during a run: it reads other data, or trains more of its model."""

    @property
    def measures(self) -> bool:
        """Whether the held-out data are measured before the last phase, within the minutes of
        training."""

    @property
    def last_phase_from(self) -> float:
        """Share of the run after which the last phase begins; 1: it has begun, or never does."""

    @property
    def restart_rate(self) -> float:
        """Highest learning rate of the last phase, as a share of that of the first one; 0: the rate
        falls over the whole run, without a warm restart."""

    def begin_last_phase(self, model: nn.Module, step: int) -> list[str]:
        """Begins the last phase.

        Args:
            model: a copy of `model` with averaged weights, in evaluation mode.
            step: number of steps so far.

        Returns:
            Lines to print.
        """


def with_restart(schedule: Schedule, objective: Objective, held: bool = False) -> Schedule:
    """Returns the schedule of a run whose last phase may begin with a warm restart.

    Args:
        schedule: without a restart. A further part of a finished run has none.
        objective: what is trained, before the first step.
        held: whether the rate does not fall before the restart.
    """
    if not isinstance(objective, TwoPhases) or not objective.restart_rate or schedule.part:
        return schedule
    begin, rate = objective.last_phase_from, objective.restart_rate
    return replace(schedule, restart=begin, restart_rate=rate, held=held and begin < 1)
