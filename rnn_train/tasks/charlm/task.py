"""A run that trains a character LSTM on a text."""

import dataclasses
import shutil
from pathlib import Path

import torch

from rnn_infer.runtime.stepper import Stepper
from rnn_train.distillation.teachers import Teachers
from rnn_train.distillation.warm_start import WarmStart
from rnn_train.errors import RunError
from rnn_train.exporting.model_file import ModelCard
from rnn_train.models.charlm import CharLSTM
from rnn_train.progress import Log
from rnn_train.tasks.charlm import measurement
from rnn_train.tasks.charlm.data import CharLMData, open_data, sources_of, write_data
from rnn_train.tasks.charlm.last_phase import LastPhase, read_result
from rnn_train.tasks.charlm.objective import CharLMObjective
from rnn_train.tasks.charlm.overlap import shared_share
from rnn_train.tasks.charlm.plan import CharLMPlan, decide, joining_of
from rnn_train.tasks.charlm.start import INITIAL_WEIGHTS, forgetting, write_start
from rnn_train.tasks.charlm.teaching import SOFT_TARGETS, Teaching
from rnn_train.tasks.memory import check_memory
from rnn_train.tasks.plan import Settings
from rnn_train.tasks.request import CharLMRequest
from rnn_train.tasks.task import (
    HeldOutResult,
    overlap,
    overlap_warnings,
    seen_warnings,
    start_notes,
    temperature_warnings,
    with_history,
)
from rnn_train.training import checkpoint
from rnn_train.training.run import Run
from rnn_train.training.shared.crew import ALONE, Crew

_MEASURE_VALIDATIONS = 6
"""Measuring after training takes about as long as this many validations."""


class CharLMTask:
    """A character LSTM on a text; see `Task` for what each method is for."""

    def __init__(self, run: Run) -> None:
        """Opens the task of a run folder.

        Raises:
            KeyError, TypeError, ValueError, OSError: the folder is damaged.
        """
        self.plan = CharLMPlan.from_config(run.config())
        self.data: CharLMData = open_data(run, self.plan)
        self.model = CharLSTM(self.plan.model)
        if self.plan.init_from:
            self.model.load_state_dict(checkpoint.read(run.folder / INITIAL_WEIGHTS))
        training = self.plan.training
        self._run = run
        self._streams = self.data.streams(training, training.seed)
        self.steps_per_epoch = self._streams.windows
        self._teaching = Teaching(run, self.plan, self.data)
        self.warnings = temperature_warnings(
            len(self.data.held_out), self.plan.temperature, student=self._distilled
        )
        self.warnings += [*_batch_warnings(self.plan), *seen_warnings(self.plan)]
        self.warnings += overlap_warnings(self.plan)

    @classmethod
    def create(
        cls,
        run: Run,
        request: CharLMRequest,
        settings: Settings,
        log: Log | None = None,  # noqa: ARG003  (the other kind has something to say)
    ) -> "CharLMTask":
        """Makes the task of a new run: reads the text, decides the plan, writes the run folder.

        Args:
            run: a new run folder.
            request: what to train.
            settings: go into the plan as they are.
            log: is not used.

        Raises:
            DataError: a text or a teacher cannot be used.
            RunError: options do not go together, or the folder cannot be written.
            ModelFileError: a teacher is no model file.
        """
        if request.init_from and request.ensemble:
            raise RunError("--init-from takes no --ensemble; give it the models as --teacher")
        warm = WarmStart.of(request.init_from, request.model) if request.init_from else None
        teachers = Teachers(request.teachers) if request.teachers else None
        if teachers:
            teachers.check_mark(joining_of(request).mark)
        _remove_leftovers(run)
        corpus = write_data(run, request, warm, teachers)
        plan = decide(request, tuple(sources_of(request)), corpus, warm, settings)
        _check_size(plan)
        if warm:
            plan = dataclasses.replace(plan, earlier=write_start(run, warm, plan))
        plan.teacher_plan.copy(request.teachers, run)
        if request.val_data:
            data = open_data(run, plan)
            plan = dataclasses.replace(plan, overlap=shared_share(data.held_out, data.mark, data))
        run.write_config(plan.to_config())
        return cls(run)

    def prepare(self, device: torch.device, log: Log, crew: Crew = ALONE) -> float:
        """Trains the teachers and computes their soft targets."""
        for note in start_notes(self.plan, len(self.plan.vocabulary)):
            log(note)
        if line := self._held_out():
            log(line)
        if not self._distilled:
            return 0.0
        seconds = self._teaching.prepare(device, log, crew)
        # A resumed run must draw the same random numbers as an uninterrupted one.
        torch.manual_seed(self.plan.training.seed)
        return seconds

    def train_member(
        self, number: int, minutes: float | None, device: torch.device, log: Log
    ) -> None:
        """Trains teacher `number` of those that the run trains itself."""
        self._teaching.train(number, minutes, device, log)

    def objective(self, device: torch.device) -> CharLMObjective:
        """Next-character prediction, with soft targets if there are teachers."""
        return CharLMObjective(
            self.model,
            self._streams,
            self.data.held_out,
            self.data.corpus.vocabulary,
            self.data.start,
            device,
            self.data.ring(self._teaching.soft_targets()) if self._distilled else None,
            self.plan.teacher_weight,
            self.plan.training.capture,
            self.data.mark,
            self._last_phase(),
        )

    def _last_phase(self) -> LastPhase | None:
        if not self.data.pieces or not self.data.has_held_out or self.plan.learn_all_from >= 1:
            return None
        training = self.plan.training
        return LastPhase(
            begins=self.plan.learn_all_from,
            streams=self.data.whole().streams(training, training.seed),
            soft_targets=self._teaching.soft_targets() if self._distilled else None,
            data=self.data,
            folder=self._run.folder,
        )

    def _held_out(self) -> str | None:
        """Describes what is held out; None: nothing is, or the user named it."""
        if not self.data.pieces:
            return None
        held, all_of_it = len(self.data.held_out), len(self.data.corpus.tokens)
        what = "documents" if self.data.mark is not None else "pieces, spread over the text"
        learnt = 1 - self.plan.learn_all_from
        then = f"; the last {learnt:.0%} of the run learns them too" if learnt > 0 else ""
        return (
            f"held out: {held:,} of {all_of_it:,} characters ({held / all_of_it:.1%}), in "
            f"{self.data.pieces} {what}{then}"
        )

    def measure(self, model: CharLSTM) -> HeldOutResult:
        """Loss on the held-out text at the fitted temperature, before that text was learnt."""
        earlier = forgetting(self._run, self.plan, model)
        if not self.data.has_held_out:
            return HeldOutResult(earlier, self.plan.temperature)
        result = read_result(self._run.folder) or measurement.measure(model, self.data)
        metrics = result.metrics | overlap(self.plan) | earlier
        return dataclasses.replace(result, metrics=metrics)

    def seconds_after(self, validation: float) -> float:
        """See `Task`."""
        return _MEASURE_VALIDATIONS * validation

    def plot(self, model: CharLSTM, folder: Path) -> None:
        """Does nothing: the loss curve of every run is enough."""

    def compare(self, model: CharLSTM, folder: Path) -> list[str]:  # noqa: ARG002
        """Returns no lines: there is no baseline for a character model."""
        return []

    def loss(self, stepper: Stepper) -> float:
        """Nats a character of an exported file."""
        return measurement.loss_of_file(stepper, self.data)

    def card(self, result: HeldOutResult) -> ModelCard:
        """The model card of the exported file."""
        card = measurement.model_card(self.data, result, self.plan.teacher_plan.teachers)
        return with_history(card, self.plan)

    @property
    def _distilled(self) -> bool:
        return self.plan.teacher_plan.teachers > 0


def _batch_warnings(plan: CharLMPlan) -> list[str]:
    """Returns a warning if a batch holds the same text several times."""
    batch, window = plan.training.batch, plan.training.window
    if plan.documents or batch * window <= 2 * max(plan.characters, 1):
        return []
    return [
        f"a batch has {batch:,} × {window:,} characters, the text {plan.characters:,}: each batch "
        "repeats the text; give a smaller --batch or --window"
    ]


def _check_size(plan: CharLMPlan) -> None:
    """Raises `RunError` if a training step does not fit into memory."""
    model, batch, window = plan.model, plan.training.batch, plan.training.window
    check_memory(
        model.weights,
        model.batch_bytes(batch * window),
        torch.device(plan.device),
        f"{batch:,} × {window:,} characters",
    )


def _remove_leftovers(run: Run) -> None:
    """Removes files that a killed attempt may have left in the folder."""
    (run.folder / SOFT_TARGETS).unlink(missing_ok=True)
    shutil.rmtree(run.folder / "teachers", ignore_errors=True)
