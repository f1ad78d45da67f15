"""What the pipeline asks of a run of any kind: its data, its model, how to train and judge it.

A task is created from a request, which fills the run folder, or opened from a run folder. Training,
resuming, exporting and evaluating all start from the same object.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from rnn_infer.runtime.stepper import Stepper
from rnn_train.exporting.model_file import ModelCard
from rnn_train.models.charlm import CharLSTM
from rnn_train.models.classifier import RecurrentClassifier
from rnn_train.progress import Log
from rnn_train.tasks.plan import Plan
from rnn_train.training.objective import Objective


@dataclass(frozen=True)
class HeldOutResult:
    """How good a model is on its held-out data."""

    metrics: dict[str, float]
    """Empty if nothing is held out."""
    temperature: float = 1.0
    """Fitted to the held-out data; the exported file divides its logits by it."""


class Task(Protocol):
    """One run's data and model.

    Each kind is a class that opens a run folder, `Kind(run)`, and creates one from a request,
    `Kind.create(run, request, settings)`; see `registry`.
    """

    steps_per_epoch: int
    warnings: list[str]
    """About the data."""

    @property
    def plan(self) -> Plan:
        """What was decided."""

    @property
    def model(self) -> CharLSTM | RecurrentClassifier:
        """What the run trains."""

    def prepare(self, device: torch.device, log: Log) -> float:
        """Does what comes before the loop: trains teachers, computes their soft targets, fits
        baselines. A resumed run goes on where it stopped.

        Returns:
            Seconds it took, which count towards the run's minutes.
        """

    def objective(self, device: torch.device) -> Objective:
        """What the training loop minimises."""

    def measure(self, model: Any) -> HeldOutResult:
        """Measures a model on the held-out data and fits its temperature there."""

    def plot(self, model: Any, folder: Path) -> None:
        """Draws figures of a trained model into `folder`."""

    def compare(self, model: Any, folder: Path) -> list[str]:
        """Compares a trained model with baselines; returns lines to print."""

    def card(self, result: HeldOutResult) -> ModelCard:
        """The model card for the exported file."""

    def loss(self, stepper: Stepper) -> float:
        """Loss of an exported file, in nats a character or a text. It is computed on held-out data,
        or on training data if too little is held out."""


def temperature_warnings(held_out: int, temperature: float) -> list[str]:
    """A warning if neither held-out data nor an option gives the temperature.

    Args:
        held_out: number of held-out characters or rows.
        temperature: the one that was asked for; 1 is the default.
    """
    if held_out or temperature != 1:
        return []
    return [
        "nothing is held out, so the temperature is not fitted, and the model may be too sure of "
        "itself; give --temperature as found by a run that held some data out"
    ]


def rounded(metrics: dict[str, float]) -> dict[str, float]:
    """Held-out metrics as a model card shows them: four decimals."""
    return {name: round(value, 4) for name, value in metrics.items()}
