"""What the training loop asks of a model with its data."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from torch import Tensor, nn


class Objective(Protocol):
    """What the loop asks of a model with its data."""

    @property
    def model(self) -> nn.Module:
        """What is trained."""

    @property
    def gates(self) -> Sequence[nn.Parameter]:
        """Matrices for `Muon`."""

    @property
    def bfloat16(self) -> bool:
        """Whether it gains by bfloat16, and loses nothing, on a processor that has it."""

    @property
    def unit(self) -> str:
        """What a batch's size counts, for the progress bar: "characters" or "texts"."""

    def loss(self, step: int) -> tuple[Tensor, int]:
        """Mean loss of batch number `step` (nats), with its graph, and its size in units."""

    def around_step(self) -> AbstractContextManager[None]:
        """Entered around each forward and backward pass."""

    def validate(self, model: nn.Module) -> dict[str, Any]:
        """Held-out metrics of `model`, `val_loss` (nats) among them; none without data."""

    def state(self) -> dict[str, Any]:
        """What else must be kept to go on exactly here (the carried state)."""

    def restore(self, state: dict[str, Any]) -> None:
        """Takes back what `state` gave."""
