"""The interface between the pipeline and a kind of task: data, model, training, measurement.

A task is created from a request and written into a run folder, or opened from a run folder.
Training, resuming, exporting and evaluating all use the same object.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch

from rnn_infer.contract import HeldOutScores
from rnn_infer.runtime.stepper import Stepper
from rnn_train.evaluation.calibration import Calibration
from rnn_train.exporting.model_file import ModelCard
from rnn_train.models.charlm import CharLSTM
from rnn_train.models.classifier import RecurrentClassifier
from rnn_train.progress import Log
from rnn_train.tasks.plan import Plan
from rnn_train.training.objective import SharedObjective
from rnn_train.training.shared.crew import ALONE, Crew
from rnn_train.wording import percent


@dataclass(frozen=True)
class HeldOutResult:
    """Metrics of a model on its held-out data."""

    metrics: dict[str, float]
    """Empty if nothing is held out."""
    temperature: float = 1.0
    """The exported file divides its logits by it. It is fitted to the held-out data, if any."""
    scores: Callable[[float], HeldOutScores | None] | None = field(default=None, compare=False)
    """Of a classifier: returns the scores for prediction sets at a temperature."""
    warnings: tuple[str, ...] = ()
    """About the held-out data and the fit, to print after the metrics."""
    noise: tuple[float, ...] = ()
    """Of a classifier: see `Calibration`."""

    @property
    def calibration(self) -> Calibration:
        """Of a classifier: from the logits of the model to those of the file."""
        return Calibration(self.temperature, self.noise)


class Task(Protocol):
    """Data and model of one run.

    Each kind is a class: `Kind(run)` opens the task of a run folder, and
    `Kind.create(run, request, settings)` makes one from a request; see `registry`.
    """

    steps_per_epoch: int
    """Optimizer steps in one pass over the training data."""
    warnings: list[str]
    """Warnings about the data, to print before training."""

    @property
    def plan(self) -> Plan:
        """What was decided for the run."""

    @property
    def model(self) -> CharLSTM | RecurrentClassifier:
        """The model that the run trains."""

    def prepare(self, device: torch.device, log: Log, crew: Crew = ALONE) -> float:
        """Does what training needs first: trains teachers, computes their soft targets, fits
        baselines. A resumed run goes on where it stopped.

        Args:
            device: where to train.
            log: takes one line of text at a time.
            crew: the processes that train together.

        Returns:
            Seconds that it took, which count towards the run's minutes.
        """

    def train_member(
        self, number: int, minutes: float | None, device: torch.device, log: Log
    ) -> None:
        """Trains one network of the ensemble into the run folder, unless it is there.

        Args:
            number: of the network, from 1.
            minutes: to train it; None: the plan says how many epochs.
            device: where to train.
            log: takes one line of text at a time.

        Raises:
            KeyboardInterrupt: the user interrupted it.
        """

    def objective(self, device: torch.device) -> SharedObjective:
        """Returns what the training loop minimises."""

    def measure(self, model: Any) -> HeldOutResult:
        """Measures a model on the held-out data and fits its temperature there."""

    def seconds_after(self, validation: float) -> float:
        """Estimates the seconds of `measure`, `plot` and `compare`.

        Args:
            validation: seconds that one validation of the objective took.
        """

    def plot(self, model: Any, folder: Path) -> None:
        """Draws figures of a trained model into `folder`."""

    def compare(self, model: Any, folder: Path) -> list[str]:
        """Compares a trained model with baselines; returns lines to print."""

    def card(self, result: HeldOutResult) -> ModelCard:
        """Returns the model card of the exported file."""

    def loss(self, stepper: Stepper) -> float:
        """Computes the loss of an exported file, in nats a character or a text.

        The data is held out, or is training data if too little is held out.
        """


def temperature_warnings(held_out: int, temperature: float, student: bool = False) -> list[str]:
    """Returns a warning if neither held-out data nor an option gives the temperature, or both do.

    Args:
        held_out: number of held-out characters or rows.
        temperature: of the request; 1 is the default.
        student: whether the soft targets of teachers already teach how sure to be.
    """
    if held_out and temperature != 1:
        return [
            f"--temperature {temperature:g} is not used: data is held out, and the temperature is "
            "fitted to it; give --val-fraction 0 to use it"
        ]
    if held_out or temperature != 1 or student:
        return []
    return [
        "nothing is held out, so the temperature is not fitted, and the probabilities may be too "
        "sharp; give the --temperature of a run that held some data out"
    ]


SEEN = "held_out_share_seen_before"
"""Name of the figure: the share of the held-out data that the earlier run was trained on."""


def seen_before(plan: Plan) -> dict[str, float]:
    """Returns the figure `SEEN` of a warm start, if its earlier run has read held-out data."""
    return {name: share for name, share in plan.earlier.items() if name == SEEN}


def seen_warnings(plan: Plan) -> list[str]:
    """Returns a warning if the earlier run was trained on the held-out data."""
    if not (share := plan.earlier.get(SEEN, 0.0)):
        return []
    return [
        f"{plan.init_from} was trained on {percent(share)} of the held-out data, so the held-out "
        "figures are too good and the probabilities may be too sharp; give data that is new to it "
        "with --val-data"
    ]


OVERLAP = "held_out_share_trained"
"""Name of the figure: the share of `--val-data` that the run is trained on."""


def overlap(plan: Plan) -> dict[str, float]:
    """Returns the figure `OVERLAP`, if the training data have some of the held-out data."""
    return {OVERLAP: plan.overlap} if plan.overlap else {}


def overlap_warnings(plan: Plan) -> list[str]:
    """Returns a warning if the run is trained on some of the held-out data."""
    if not plan.overlap:
        return []
    return [
        f"{percent(plan.overlap)} of {plan.val_data} stands in the training data too, so the "
        "held-out figures are too good and the probabilities may be too sharp; take it out of "
        "--val-data or of --data"
    ]


def start_notes(plan: Plan, characters: int, labels: int = 0) -> list[str]:
    """Describes what a warm start knows and what is new; empty: the run has none.

    Args:
        plan: of the run.
        characters, labels: how many the model has.
    """
    if not plan.init_from or not plan.known:
        return []
    parts = [
        f"{plan.known[what]} known {what} keep their weights, {now - plan.known[what]} new {what} "
        "get new ones"
        for what, now in (("characters", characters), ("labels", labels))
        if now
    ]
    return [f"from {plan.init_from}: {'; '.join(parts)}"]


def with_history(card: ModelCard, plan: Plan) -> ModelCard:
    """Adds to a model card how often a finished run went on, and whether it had a warm start."""
    facts: dict[str, bool | int] = {"warm_start": True} if plan.init_from else {}
    if plan.continued:
        facts["continued"] = len(plan.continued)
    return dataclasses.replace(card, training=card.training | facts)


def rounded(metrics: dict[str, float]) -> dict[str, float]:
    """Rounds held-out metrics for a model card, to four decimals. Counts are whole numbers."""
    return {
        name: int(value) if value > 1 and float(value).is_integer() else round(value, 4)
        for name, value in metrics.items()
    }
