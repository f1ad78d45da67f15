"""The ensemble of a classifier: training its networks, and the soft targets of the rows."""

import time
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from rnn_train.distillation.ensemble import train_teacher
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

    def prepare(
        self, spent: float, device: torch.device, log: Log
    ) -> tuple[NDArray[np.float32], float]:
        """Trains the networks, unless the run folder has their soft targets already.

        Args:
            spent: seconds of the run's minutes that have passed.
            device: where to train.
            log: takes one line of text at a time.

        Returns:
            Soft targets [rows, labels] of the training rows, and the seconds that they took.

        Raises:
            RunError: config or data have changed since the soft targets were made.
        """
        path = self.run.folder / SOFT_TARGETS
        if not path.exists():
            targets, seconds = self._make_soft_targets(spent, device, log)
            origin = self.run.origin()
            checkpoint.write(path, {"origin": origin, "targets": targets, "seconds": seconds})
        kept = checkpoint.read(path)
        self.run.check_origin(kept["origin"])
        return kept["targets"].numpy(), float(kept.get("seconds", 0.0))

    def _make_soft_targets(
        self, spent: float, device: torch.device, log: Log
    ) -> tuple[torch.Tensor, float]:
        started, count = time.monotonic(), self.plan.ensemble
        seed = self.plan.training.seed
        linear = linear_soft_targets(self.data.train, self.data.alphabet, seed)
        seconds = time.monotonic() - started
        schedule = self._schedule(spent + seconds)
        networks = []
        for number in range(1, count + 1):
            log(f"teacher {number} of {count}")
            probabilities, trained = self._train(number, schedule, device, log)
            networks.append(probabilities)
            seconds += trained
        return torch.from_numpy(mix_soft_targets(networks, linear)), seconds

    def _train(
        self, number: int, schedule: Schedule, device: torch.device, log: Log
    ) -> tuple[NDArray[np.float32], float]:
        """Trains network `number`.

        Returns:
            Its probabilities [rows, labels] on the training rows, and its seconds.
        """
        plan, data, training = self.plan, self.data, self.plan.training
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
        outcome = train_teacher(self.run, str(number), objective, schedule, training, device, log)
        assert isinstance(outcome.model, RecurrentClassifier)
        logits = logits_of(outcome.model, data.alphabet, data.train)
        # Only the student removes the log-prior, so soft targets keep the labels' frequencies.
        shift = torch.tensor(data.alphabet.log_prior(data.train)) * plan.balance
        probabilities: NDArray[np.float32] = torch.softmax(logits + shift, -1).numpy()
        return probabilities, outcome.seconds

    def _schedule(self, spent: float) -> Schedule:
        """Returns the schedule of one network. After `spent` seconds, the networks and the student
        share the rest of the minutes evenly."""
        plan, minutes = self.plan, self.plan.minutes
        if minutes is not None:
            minutes = max(minutes - spent / 60, minutes / 2) / (plan.ensemble + 1)
        epochs = plan.teacher.get("epochs", plan.epochs)
        training, data = plan.training, self.data
        batches = batches_of(data.train, data.alphabet, training, training.seed)
        return Schedule.of(training.learning_rate, batches.per_epoch, epochs, minutes)
