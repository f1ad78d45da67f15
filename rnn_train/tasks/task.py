"""What a training command was asked, and what a run of any kind can do.

A job is made new from a request, which writes the run's folder, or opened from a folder: training,
resuming, exporting and evaluating all start from the same object.
"""

import dataclasses
from pathlib import Path
from typing import Any, Protocol

import torch

from rnn_infer.runtime.stepper import Stepper
from rnn_train.exporting.model_file import ModelCard
from rnn_train.models.charlm import CharLSTM
from rnn_train.models.classifier import RecurrentClassifier
from rnn_train.progress import Log
from rnn_train.training.config import TrainingConfig
from rnn_train.training.objective import Objective


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """What a training command was asked; None where the choice is left to the recipe."""

    data: tuple[str, ...] = ()
    val_data: str | None = None
    val_fraction: float = 0.1
    min_count: int = 1
    init_from: Path | None = None
    """charlm: a run whose vocabulary, shape and weights this one starts from."""
    teachers: tuple[Path, ...] = ()
    """charlm: exported models whose answers this one learns."""
    minutes: float | None = None
    epochs: float | None = None
    seed: int = 0
    ensemble: int = 0
    """Networks that are trained first, and teach the one that is exported."""
    balance: float | None = None
    """classifier: see `ClassifierObjective`"""
    temperature: float = 1.0
    """What logits are divided by where no held-out data tell; from a run that had some."""
    model: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Fields of the model's config that were given."""
    training: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Fields of the training config that were given."""


@dataclasses.dataclass(frozen=True)
class HeldOutResult:
    """How good a model is on held-out data; without any, nothing is known."""

    metrics: dict[str, float]
    temperature: float = 1.0


class Task(Protocol):
    """One run's data and model."""

    training: TrainingConfig
    steps_per_epoch: int
    warnings: list[str]
    """On the data."""

    @property
    def model(self) -> CharLSTM | RecurrentClassifier:
        """What the run trains."""

    def prepare(self, device: torch.device, log: Log) -> float:
        """What must be there before the loop starts; goes on where it was interrupted.

        Returns:
            Seconds that it took of the minutes there are.
        """

    def objective(self, device: torch.device) -> Objective:
        """What the training loop works on."""

    def measure(self, model: Any) -> HeldOutResult:
        """Measures a model on the held-out data, and fits the temperature there."""

    def plot(self, model: Any, folder: Path) -> None:
        """Draws what is worth seeing of a finished model."""

    def compare(self, model: Any, folder: Path) -> list[str]:
        """Sets a finished model beside a simpler one; returns lines to show."""

    def card(self, result: HeldOutResult) -> ModelCard:
        """What the exported file says of itself."""

    def loss(self, stepper: Stepper) -> float:
        """Nats a character, or a text, of an exported file on the held-out data, or on a part of
        the training data where none is held out."""


def unmeasured(held_out: int, temperature: float) -> list[str]:
    """A warning, where neither held-out data nor an option say how sure a model may be."""
    if held_out or temperature != 1:
        return []
    return [
        "nothing is held out, so nothing tells how sure of itself the model may be: what it saw "
        "often it is too sure of; give --temperature as found by a run that held some out"
    ]


def rounded(metrics: dict[str, float]) -> dict[str, float]:
    """Held-out figures as a card shows them."""
    return {name: round(value, 4) for name, value in metrics.items()}
