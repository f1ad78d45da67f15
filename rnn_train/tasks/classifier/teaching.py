"""The ensemble of a classifier: training its networks, and the soft targets of the rows."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rnn_train.distillation.ensemble import announce, train_teacher
from rnn_train.distillation.linear import linear_soft_targets, mix_soft_targets
from rnn_train.evaluation.classification import logits_of
from rnn_train.models.classifier import ClassifierConfig, RecurrentClassifier
from rnn_train.progress import Log
from rnn_train.tasks.classifier.data import ClassifierData
from rnn_train.tasks.classifier.objective import (
    ClassifierObjective,
    batches_of,
    count_evidence,
)
from rnn_train.tasks.classifier.plan import ClassifierPlan
from rnn_train.training import checkpoint
from rnn_train.training.run import Run
from rnn_train.training.schedule import Schedule
from rnn_train.training.shared.crew import ALONE, Crew

SOFT_TARGETS = "targets.ckpt"
"""Name of their file in the run folder."""


def new_network(config: ClassifierConfig, data: ClassifierData, seed: int) -> RecurrentClassifier:
    """Makes an untrained network and counts its naive-Bayes weight of evidence.

    It seeds torch, so training draws the same random numbers each time.
    """
    torch.manual_seed(seed)
    model = RecurrentClassifier(config)
    count_evidence(model, data.alphabet, data.train)
    return model


@dataclass(frozen=True)
class Teaching:
    """The ensemble of one run."""

    run: Run
    plan: ClassifierPlan
    data: ClassifierData

    def prepare(self, spent: float, device: torch.device, log: Log, crew: Crew = ALONE) -> float:
        """Trains the networks, unless the run folder has their soft targets already.

        Args:
            spent: seconds of the run's minutes that have passed.
            device: where to train.
            log: takes one line of text at a time.
            crew: the processes that train together.

        Returns:
            The seconds that it took, over all sessions.

        Raises:
            RunError: config or data have changed since the soft targets were made.
        """
        path = self.run.folder / SOFT_TARGETS
        if not path.exists():
            self._make_soft_targets(spent, device, log, crew)
        kept = self._read(path)
        return float(kept.get("seconds", 0.0))

    def soft_targets(self) -> NDArray[np.float32]:
        """Reads the soft targets of the training rows, [rows, labels]; `prepare` has made them."""
        targets: NDArray[np.float32] = self._read(self.run.folder / SOFT_TARGETS)["targets"].numpy()
        return targets

    def _make_soft_targets(self, spent: float, device: torch.device, log: Log, crew: Crew) -> None:
        started, count = time.monotonic(), self.plan.ensemble
        seed = self.plan.training.seed
        linear = linear_soft_targets(self.data.train, self.data.alphabet, seed)
        seconds = time.monotonic() - started
        minutes = self._minutes(spent + seconds, crew)

        def train(number: int) -> None:
            log(f"teacher {number} of {count}")
            self.train(number, minutes, device, log)

        announce(count, crew, log)
        crew.train_members(self.run, device, range(1, count + 1), minutes, train)
        members = [self._member(number) for number in range(1, count + 1)]
        kept = [self._read(path) for path in members]
        seconds += crew.wall_seconds([each["seconds"] for each in kept])
        mixed = mix_soft_targets([each["targets"].numpy() for each in kept], linear)
        self._write(self.run.folder / SOFT_TARGETS, torch.from_numpy(mixed), seconds)
        for path in members:
            path.unlink()

    def _member(self, number: int) -> Path:
        """The file with the probabilities of network `number`."""
        return self.run.folder / "teachers" / str(number) / SOFT_TARGETS

    def _write(self, path: Path, targets: torch.Tensor, seconds: float) -> None:
        origin = self.run.origin()
        checkpoint.write(path, {"origin": origin, "targets": targets, "seconds": seconds})

    def _read(self, path: Path) -> dict[str, Any]:
        kept = checkpoint.read(path)
        self.run.check_origin(kept["origin"])
        return kept

    def train(self, number: int, minutes: float | None, device: torch.device, log: Log) -> None:
        """Trains network `number`, and writes its probabilities [rows, labels] on the training
        rows, unless they are there; see `Task.train_member`."""
        plan, data, training = self.plan, self.data, self.plan.training
        if self._member(number).exists():
            return
        seed = training.seed + number
        config = ClassifierConfig(**plan.teacher["model"])
        model = new_network(config, data, seed).to(device)
        objective = ClassifierObjective(
            model,
            data.alphabet,
            data.train,
            data.held_out,
            training.batch,
            plan.character_dropout,
            seed,
            device,
            plan.balance,
        )
        schedule = self._schedule(minutes)
        outcome = train_teacher(self.run, str(number), objective, schedule, training, device, log)
        assert isinstance(outcome.model, RecurrentClassifier)
        logits = logits_of(outcome.model, data.alphabet, data.train)
        # Only the student removes the log-prior, so soft targets keep the labels' frequencies.
        shift = torch.tensor(data.alphabet.log_prior(data.train)) * plan.balance
        self._write(self._member(number), torch.softmax(logits + shift, -1), outcome.seconds)

    def _minutes(self, spent: float, crew: Crew) -> float | None:
        """Returns the minutes of one network. After `spent` seconds, the rounds of networks and the
        student share the rest of the minutes evenly."""
        minutes = self.plan.minutes
        if minutes is None:
            return None
        return max(minutes - spent / 60, minutes / 2) / (crew.rounds(self.plan.ensemble) + 1)

    def _schedule(self, minutes: float | None) -> Schedule:
        """Returns the schedule of one network."""
        plan = self.plan
        epochs = plan.teacher.get("epochs", plan.epochs)
        training, data = plan.training, self.data
        batches = batches_of(data.train, data.alphabet, training, training.seed)
        return Schedule.of(training.learning_rate, batches.per_epoch, epochs, minutes)
