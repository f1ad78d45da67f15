"""The ensemble of a classifier: training its networks, and the soft targets of the rows."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from rnn_train.data.encoded_rows import EncodedRows
from rnn_train.data.rows import Rows
from rnn_train.distillation.ensemble import announce, train_teacher
from rnn_train.distillation.linear import (
    LINEAR_WEIGHT,
    SYNTHETIC_LINEAR_WEIGHT,
    LinearTeachers,
    mix_soft_targets,
)
from rnn_train.distillation.row_targets import check_room, size_of
from rnn_train.distillation.synthetic import synthetic_texts
from rnn_train.evaluation.baselines import too_large
from rnn_train.evaluation.classification import logits_of
from rnn_train.evaluation.hashed_linear import seconds_for
from rnn_train.files import read_bytes, write_bytes
from rnn_train.models.classifier import ClassifierConfig, RecurrentClassifier
from rnn_train.progress import Log
from rnn_train.tasks.classifier.data import ClassifierData
from rnn_train.tasks.classifier.evidence import choose_ngrams, count_evidence
from rnn_train.tasks.classifier.objective import (
    ClassifierObjective,
    TaughtRows,
    batches_of,
)
from rnn_train.tasks.classifier.plan import ClassifierPlan
from rnn_train.tasks.classifier.soft_targets import SoftTargets
from rnn_train.training.config import TrainingConfig
from rnn_train.training.objective import with_restart
from rnn_train.training.run import Run
from rnn_train.training.schedule import Schedule
from rnn_train.training.shared.crew import ALONE, Crew
from rnn_train.wording import counted

_SYNTHETIC = "synthetic.json"
"""Name of the file with the synthetic texts in the run folder."""
_SAID = 100_000_000
"""Bytes of soft targets that are worth a word before training."""
_TIMED_ROWS = 2_000
"""Rows that are read to estimate how long it takes to read all of them."""


def new_network(config: ClassifierConfig, data: ClassifierData, seed: int) -> RecurrentClassifier:
    """Makes an untrained network, and counts n-grams: which have a vector, and their naive-Bayes
    weight of evidence.

    It seeds torch, so training draws the same random numbers each time.
    """
    torch.manual_seed(seed)
    model = RecurrentClassifier(config)
    choose_ngrams(model, data.alphabet, data.train)
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
            RunError: config or data have changed since the soft targets were made, or the disk has
                no room for them.
        """
        own = self.run.folder
        if not SoftTargets.exist(own):
            if (size := self._size) > _SAID:
                log(
                    f"soft targets: {len(self.data.train):,} rows × {self._labels:,} "
                    f"labels take {size / 1e9:.1f} GB in {own}, and as much for each teacher "
                    "until all are trained"
                )
            self.check_room()
            self._make_soft_targets(spent, device, log, crew)
        self._targets.open(own, check=True)
        return self._targets.seconds(own)

    def taught_rows(self) -> TaughtRows:
        """Opens the rows that the student reads; `prepare` has made their soft targets."""
        rows, real = self._rows, len(self.data.train)
        synthetic = np.arange(real, len(rows))
        order = np.concatenate([np.tile(np.arange(real), self.plan.repeats), synthetic])
        return TaughtRows(rows, self._targets.open(self.run.folder), order)

    def check_room(self) -> None:
        """Raises `RunError` if the disk has no room for the soft targets that are to be made."""
        count = self.plan.ensemble
        made = sum(SoftTargets.exist(self._folder(number)) for number in range(1, count + 1))
        what = f"the soft targets of {counted(count, 'teacher')}"
        check_room(self.run.folder, (count + 1 - made) * self._size, what)

    @property
    def _labels(self) -> int:
        return len(self.data.alphabet.labels)

    @property
    def _size(self) -> int:
        """Bytes of the soft targets in one folder."""
        return size_of(len(self.data.train) + self.plan.synthetic, self._labels)

    @cached_property
    def _rows(self) -> EncodedRows:
        """The training rows, and then the synthetic texts, with any label."""
        train, texts = self.data.train, self._synthetic()
        if not texts:
            return train
        return EncodedRows.of(train.plus(Rows(texts, (train.names[0],) * len(texts))))

    def _synthetic(self) -> tuple[str, ...]:
        """Reads the synthetic texts of the run. The first time, it makes and writes them."""
        if not self.plan.synthetic:
            return ()
        path = self.run.folder / _SYNTHETIC
        if not path.exists():
            seed = self.plan.training.seed
            made = synthetic_texts(self.data.train, self.plan.synthetic, seed)
            write_bytes(path, json.dumps(made, ensure_ascii=False).encode())
        return tuple(json.loads(read_bytes(path)))

    def _make_soft_targets(self, spent: float, device: torch.device, log: Log, crew: Crew) -> None:
        started, count = time.monotonic(), self.plan.ensemble
        targets = self._targets  # this makes the synthetic texts
        linear, reading = self._linear(log), self._reading_seconds(device)
        seconds = time.monotonic() - started
        minutes = self._minutes(spent + seconds, reading, crew)

        def train(number: int) -> None:
            log(f"teacher {number} of {count}")
            self.train(number, minutes, device, log)

        announce(count, crew, log)
        crew.train_members(self.run, device, range(1, count + 1), minutes, train)
        members = [self._folder(number) for number in range(1, count + 1)]
        seconds += crew.wall_seconds([targets.seconds(each) for each in members])
        targets.write(self.run.folder, self._mixed(linear, members), seconds)
        for each in members:
            targets.remove(each)

    def _linear(self, log: Log) -> LinearTeachers:
        """Fits the linear models; to a large table a hashed one, within the minutes."""
        rows, alphabet, seed = self.data.train, self.data.alphabet, self.plan.training.seed
        if not too_large(len(rows), self._labels):
            return LinearTeachers.fit(rows, alphabet, seed)
        linear = LinearTeachers.fit_hashed(rows, alphabet, seed, seconds_for(self.plan.minutes))
        log(f"linear teacher: {linear.models[0].title}")
        return linear

    def _mixed(
        self, linear: LinearTeachers, members: Sequence[Path]
    ) -> Iterator[NDArray[np.float32]]:
        """Yields the soft targets of the student, a block at a time."""
        networks = [self._targets.open(each) for each in members]
        weight = SYNTHETIC_LINEAR_WEIGHT if self.plan.synthetic else LINEAR_WEIGHT
        for block, rows in self._targets.blocks():
            own = [each[block] for each in networks]
            yield mix_soft_targets(own, linear.soft_targets(rows), weight)

    @cached_property
    def _targets(self) -> SoftTargets:
        return SoftTargets(self.run, self._rows, self._labels)

    def _folder(self, number: int) -> Path:
        """The folder of network `number`."""
        return self.run.folder / "teachers" / str(number)

    def train(self, number: int, minutes: float | None, device: torch.device, log: Log) -> None:
        """Trains network `number`, and writes its probabilities [rows, labels], unless they are
        there; see `Task.train_member`."""
        plan, data, training = self.plan, self.data, self._training
        if SoftTargets.exist(self._folder(number)):
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
            plan.teacher.get("character_dropout", plan.character_dropout),
            seed,
            device,
            self._balance,
            ngrams_alone=plan.ngrams_alone,
        )
        schedule = with_restart(self._schedule(minutes), objective, training.held)
        outcome = train_teacher(self.run, str(number), objective, schedule, training, device, log)
        assert isinstance(outcome.model, RecurrentClassifier)
        self._targets.write(self._folder(number), self._answers(outcome.model), outcome.seconds)

    @property
    def _training(self) -> TrainingConfig:
        """How each network is trained."""
        own = self.plan.teacher.get("training")
        return TrainingConfig(**own) if own else self.plan.training

    @property
    def _balance(self) -> float:
        """The balance of each network."""
        return float(self.plan.teacher.get("balance", self.plan.balance))

    def _answers(self, model: RecurrentClassifier) -> Iterator[NDArray[np.float32]]:
        """Yields the probabilities that a network gives to the rows, block by block."""
        # Only the student removes the log-prior, so soft targets keep the labels' frequencies.
        shift = torch.tensor(self.data.alphabet.log_prior(self.data.train)) * self._balance
        for _, rows in self._targets.blocks():
            logits = logits_of(model, self.data.alphabet, rows)
            yield torch.softmax(logits + shift, -1).numpy()

    def _reading_seconds(self, device: torch.device) -> float:
        """Estimates how long a network takes to read all rows of a large table."""
        rows = self.data.train
        if self.plan.minutes is None or not too_large(len(rows), self._labels):
            return 0.0
        model = RecurrentClassifier(ClassifierConfig(**self.plan.teacher["model"])).to(device)
        order = np.random.default_rng(0).permutation(len(rows))[:_TIMED_ROWS]
        started = time.monotonic()
        logits_of(model.eval(), self.data.alphabet, rows.take(order))
        return (time.monotonic() - started) * len(rows) / len(order)

    def _minutes(self, spent: float, reading: float, crew: Crew) -> float | None:
        """Returns the minutes of one network. After `spent` seconds, and `reading` seconds for each
        round of networks, the rounds and the student share the rest of the minutes evenly."""
        minutes, rounds = self.plan.minutes, crew.rounds(self.plan.ensemble)
        if minutes is None:
            return None
        rest = max(minutes - spent / 60, minutes / 2)
        return max(rest - rounds * reading / 60, rest / 2) / (rounds + 1)

    def _schedule(self, minutes: float | None) -> Schedule:
        """Returns the schedule of one network."""
        plan = self.plan
        epochs = plan.teacher.get("epochs", plan.epochs)
        training, data = self._training, self.data
        batches = batches_of(data.train, data.alphabet, training, training.seed)
        return Schedule.of(training.learning_rate, batches.per_epoch, epochs, minutes)
