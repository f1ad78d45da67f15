"""A run that trains a recurrent classifier on labelled texts."""

import dataclasses
import time
from functools import cached_property
from pathlib import Path

import torch

from rnn_infer.runtime.stepper import Stepper
from rnn_train.data.row_reader import MARKS
from rnn_train.errors import RunError
from rnn_train.evaluation.baselines import NGramModel, fit_baselines, too_large
from rnn_train.evaluation.hashed_linear import HashedLinear, seconds_for
from rnn_train.exporting.model_file import ModelCard, check_exportable
from rnn_train.models.classifier import RecurrentClassifier
from rnn_train.models.parameters import parameter_count
from rnn_train.progress import Log
from rnn_train.tasks.classifier import measurement
from rnn_train.tasks.classifier.data import (
    ClassifierData,
    nothing_held_out,
    open_data,
    sources_of,
    store_data,
)
from rnn_train.tasks.classifier.objective import (
    BATCH_TOKENS,
    WINDOW,
    ClassifierObjective,
    batches_of,
    window_warnings,
)
from rnn_train.tasks.classifier.plan import ClassifierPlan, decide
from rnn_train.tasks.classifier.teaching import Teaching, new_network
from rnn_train.tasks.classifier.validation_rows import (
    measured_sample,
    token_count,
    validation_sample,
)
from rnn_train.tasks.classifier.warm_start import ClassifierWarmStart, first_network, forgetting
from rnn_train.tasks.memory import check_logits, check_memory
from rnn_train.tasks.plan import Settings
from rnn_train.tasks.request import ClassifierRequest
from rnn_train.tasks.task import (
    HeldOutResult,
    overlap,
    overlap_warnings,
    seen_warnings,
    start_notes,
    temperature_warnings,
    with_history,
)
from rnn_train.training.run import Run
from rnn_train.training.shared.crew import ALONE, Crew

_AFTER = 3
"""Reading the measured rows, drawing plots and writing files take about so many validations."""
_CELL_SECONDS = 5e-7
"""Seconds that the metrics take for each held-out row and label."""


class ClassifierTask:
    """A recurrent classifier on labelled texts; see `Task` for what each method is for."""

    def __init__(self, run: Run) -> None:
        """Opens the task of a run folder.

        Raises:
            KeyError, TypeError, ValueError, OSError: the folder is damaged.
        """
        self.plan = ClassifierPlan.from_config(run.config())
        self.data: ClassifierData = open_data(run, self.plan.alphabet)
        self._run = run
        training = self.plan.training
        self.model = (
            first_network(run, self.plan, self.data)
            if self.plan.init_from
            else new_network(self.plan.model, self.data, training.seed)
        )
        data = self.data
        batches = batches_of(data.train, data.alphabet, training, training.seed)
        self.steps_per_epoch = batches.per_epoch
        self._measured: tuple[RecurrentClassifier, measurement.Measurement] | None = None
        self._teaching = Teaching(run, self.plan, self.data)
        held_out = len(self.data.held_out)
        self.warnings = [*self.data.warnings, *window_warnings(self.data.train)]
        if not held_out and self.plan.val_fraction and not self.plan.val_data:
            self.warnings.append(nothing_held_out(self.data.train, self.plan.val_fraction))
        self.warnings += temperature_warnings(held_out, self.plan.temperature)
        self.warnings += [*overlap_warnings(self.plan), *seen_warnings(self.plan)]

    @classmethod
    def create(
        cls,
        run: Run,
        request: ClassifierRequest,
        settings: Settings,
        log: Log | None = None,
    ) -> "ClassifierTask":
        """Makes the task of a new run: reads the rows, decides the plan, writes the run folder.

        Args:
            run: a new run folder.
            request: what to train.
            settings: go into the plan as they are.
            log: takes a line about each source.

        Raises:
            DataError: the rows cannot be used.
            CellError: the cell cannot be used.
            RunError: the folder cannot be written, or the earlier run has another shape.
        """
        if request.init_from and request.ensemble:
            raise RunError("--init-from takes no --ensemble; drop one of them")
        warm = (
            ClassifierWarmStart.of(request.init_from, request.model) if request.init_from else None
        )
        data = store_data(run, request, warm.alphabet if warm else None, log)
        earlier = warm.model.config if warm else None
        plan = decide(request, tuple(sources_of(request)), data, settings, earlier)
        _check_size(plan, data)
        labels = len(data.alphabet.labels)
        measured = measured_sample(data.held_out, labels, plan.minutes)
        check_logits(len(measured), labels, "hold fewer rows out, with --val-fraction")
        if warm:
            before = warm.write(run, plan.model, data)
            plan = dataclasses.replace(plan, earlier=before)
        plan = dataclasses.replace(plan, overlap=data.overlap)
        if plan.ensemble:
            Teaching(run, plan, data).check_room()
        run.write_config(plan.to_config())
        return cls(run)

    def prepare(self, device: torch.device, log: Log, crew: Crew = ALONE) -> float:
        """Fits the linear models, so that their seconds are known, and trains the ensemble.

        A cell that cannot be exported is found here. This also imports the tracer, so that its
        seconds are known.
        """
        for line in start_notes(self.plan, self.plan.model.vocabulary, self.plan.model.labels):
            log(line)
        started = time.monotonic()
        minutes, _ = self.plan.budget
        if minutes or ":" in self.plan.model.cell:
            check_exportable(self.model)
        assert self._baselines is not None
        seconds = time.monotonic() - started
        if not self.plan.ensemble:
            return seconds
        taught = self._teaching.prepare(seconds, device, log, crew)
        # A resumed run must draw the same random numbers as an uninterrupted one.
        torch.manual_seed(self.plan.training.seed)
        return seconds + taught

    def train_member(
        self, number: int, minutes: float | None, device: torch.device, log: Log
    ) -> None:
        """Trains network `number` of the ensemble."""
        self._teaching.train(number, minutes, device, log)

    def objective(self, device: torch.device) -> ClassifierObjective:
        """Cross-entropy of the labels, or of the ensemble's soft targets."""
        plan, data = self.plan, self.data
        return ClassifierObjective(
            self.model,
            data.alphabet,
            data.train,
            data.held_out,
            plan.training.batch,
            plan.character_dropout,
            plan.training.seed,
            device,
            plan.balance,
            self._teaching.taught_rows() if plan.ensemble else None,
            plan.ngrams_alone,
        )

    def measure(self, model: RecurrentClassifier) -> HeldOutResult:
        """Accuracy, macro-F1, calibration and more on the held-out rows; after a warm start, also
        on those of the earlier run."""
        earlier = forgetting(self._run, self.plan, self.data, model)
        if not len(self.data.held_out):
            return HeldOutResult(earlier, self.plan.temperature)
        self._measured = None  # the model's weights may have changed
        result = self._measurement(model).result()
        metrics = result.metrics | overlap(self.plan) | earlier
        return dataclasses.replace(result, metrics=metrics)

    def plot(self, model: RecurrentClassifier, folder: Path) -> None:
        """Draws the confusion matrix and the reliability diagram, if rows are held out."""
        if len(self.data.held_out):
            self._measurement(model).plot(folder)

    def compare(self, model: RecurrentClassifier, folder: Path) -> list[str]:
        """Compares the model with linear n-gram models, if rows are held out."""
        if not len(self.data.held_out):
            return []
        return self._measurement(model).compare(self._baselines, folder)

    def seconds_after(self, validation: float) -> float:
        """See `Task`: validations during training may read a sample of the held-out rows."""
        held_out, labels = self.data.held_out, len(self.data.alphabet.labels)
        rows = measured_sample(held_out, labels, self.plan.minutes)
        share = token_count(rows) / max(1, token_count(validation_sample(held_out)))
        return _AFTER * validation * share + _CELL_SECONDS * len(rows) * labels

    def loss(self, stepper: Stepper) -> float:
        """Nats a text of an exported file."""
        return measurement.loss_of_file(stepper, self.data)

    def card(self, result: HeldOutResult) -> ModelCard:
        """The model card of the exported file."""
        card = measurement.model_card(self.data, self.plan.balance, result)
        if self.plan.max_length is not None:
            facts = {**card.training, "max_length": self.plan.max_length}
            card = dataclasses.replace(card, training=facts)
        return with_history(card, self.plan)

    def _measurement(self, model: RecurrentClassifier) -> measurement.Measurement:
        """Returns the predictions of a model; `plot` and `compare` use those of `measure`."""
        if self._measured is None or self._measured[0] is not model:
            found = measurement.Measurement(model, self.data, self.plan)
            self._measured = model, found
        return self._measured[1]

    @cached_property
    def _baselines(self) -> list[NGramModel] | list[HashedLinear]:
        """Linear models of the training rows; none if no rows are held out."""
        train, labels = self.data.train, len(self.data.alphabet.labels)
        if not len(self.data.held_out):
            return []
        alphabet, seed = self.data.alphabet, self.plan.training.seed
        if too_large(len(train), labels):
            linear = HashedLinear.suited(train, alphabet, seed)
            return [linear.fit(train, seconds_for(self.plan.minutes))]
        return fit_baselines(train, alphabet, seed)


def _check_size(plan: ClassifierPlan, data: ClassifierData) -> None:
    """Raises `RunError` if a training step does not fit into memory. The size of a cell of one's
    own is not known."""
    if ":" in plan.model.cell:
        return
    with torch.device("meta"):  # no memory is taken
        weights = parameter_count(RecurrentClassifier(plan.model))
    longest = int(data.train.lengths.max(initial=0)) + MARKS
    rows = min(plan.training.batch, len(data.train))
    tokens = max(min(longest, WINDOW), min(BATCH_TOKENS, rows * longest))
    state = plan.model.embedding + 2 * plan.model.layers * plan.model.hidden
    check_memory(
        weights,
        4 * tokens * state,
        torch.device(plan.device),
        f"{tokens:,} characters",
        "--batch or --hidden",
    )
