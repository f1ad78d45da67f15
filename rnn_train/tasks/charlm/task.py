"""A run that trains a character LSTM on a text."""

import shutil
from pathlib import Path

import torch

from rnn_infer.runtime.stepper import Stepper
from rnn_train.data.streams import ArrayRing, Streams
from rnn_train.distillation.teachers import Teachers
from rnn_train.distillation.warm_start import WarmStart
from rnn_train.errors import RunError
from rnn_train.exporting.model_file import ModelCard
from rnn_train.models.charlm import CharLSTM
from rnn_train.progress import Log
from rnn_train.tasks.charlm import measurement
from rnn_train.tasks.charlm.data import CharLMData, open_data, sources_of, write_data
from rnn_train.tasks.charlm.objective import CharLMObjective
from rnn_train.tasks.charlm.plan import CharLMPlan, decide
from rnn_train.tasks.charlm.teaching import SOFT_TARGETS, Teaching
from rnn_train.tasks.plan import Settings
from rnn_train.tasks.request import CharLMRequest
from rnn_train.tasks.task import HeldOutResult, temperature_warnings
from rnn_train.training import checkpoint
from rnn_train.training.run import Run

INITIAL_WEIGHTS = "initial.ckpt"


class CharLMTask:
    """A character LSTM on a text; see `Task` for what each method is for."""

    def __init__(self, run: Run) -> None:
        self.plan = CharLMPlan.from_config(run.config())
        self.data: CharLMData = open_data(run, self.plan)
        self.model = CharLSTM(self.plan.model)
        if self.plan.init_from:
            self.model.load_state_dict(checkpoint.read(run.folder / INITIAL_WEIGHTS))
        training = self.plan.training
        self._streams = Streams(
            ArrayRing(self.data.train), training.batch, training.window, training.seed
        )
        self.steps_per_epoch = self._streams.windows
        self._teaching = Teaching(run, self.plan, self.data)
        # Soft targets tell a model how sure it may be, so it needs no temperature.
        held_out, temperature = len(self.data.held_out), self.plan.temperature
        self.warnings = [] if self._distilled else temperature_warnings(held_out, temperature)

    @classmethod
    def create(cls, run: Run, request: CharLMRequest, settings: Settings) -> "CharLMTask":
        """See `Task.create`."""
        if request.init_from and request.ensemble:
            raise RunError("--init-from takes no --ensemble; give it the models as --teacher")
        warm = WarmStart.of(request.init_from, request.model) if request.init_from else None
        teachers = Teachers(request.teachers) if request.teachers else None
        _remove_leftovers(run)
        if warm:
            checkpoint.write(run.folder / INITIAL_WEIGHTS, warm.weights)
        corpus = write_data(run, request, warm, teachers)
        plan = decide(request, tuple(sources_of(request)), corpus, warm, settings)
        plan.teacher_plan.copy(request.teachers, run)
        run.write_config(plan.to_config())
        return cls(run)

    def prepare(self, device: torch.device, log: Log) -> float:
        """Trains the teachers and computes their soft targets."""
        if not self._distilled:
            return 0.0
        seconds = self._teaching.prepare(device, log)
        # A resumed run must draw the same random numbers as one that was never interrupted.
        torch.manual_seed(self.plan.training.seed)
        return seconds

    def objective(self, device: torch.device) -> CharLMObjective:
        """Next-character prediction, with soft targets if there are teachers."""
        return CharLMObjective(
            self.model,
            self._streams,
            self.data.held_out,
            self.data.corpus.vocabulary,
            self.data.start,
            device,
            self._teaching.soft_targets() if self._distilled else None,
            self.plan.teacher_weight,
            self.plan.training.capture,
        )

    def measure(self, model: CharLSTM) -> HeldOutResult:
        """Loss on the held-out text at the fitted temperature."""
        if not self.data.has_held_out:
            return HeldOutResult({}, self.plan.temperature)
        return measurement.measure(model, self.data.held_out)

    def plot(self, model: CharLSTM, folder: Path) -> None:
        """Nothing: the loss curve, which every run draws, is enough."""

    def compare(self, model: CharLSTM, folder: Path) -> list[str]:  # noqa: ARG002
        """Nothing: a character model has no baseline here."""
        return []

    def loss(self, stepper: Stepper) -> float:
        """Nats a character of an exported file."""
        return measurement.loss_of_file(stepper, self.data)

    def card(self, result: HeldOutResult) -> ModelCard:
        """The model card for the exported file."""
        return measurement.model_card(self.data, result, self.plan.teacher_plan.teachers)

    @property
    def _distilled(self) -> bool:
        return self.plan.teacher_plan.teachers > 0


def _remove_leftovers(run: Run) -> None:
    """Removes what an attempt that was killed may have left in the folder."""
    (run.folder / SOFT_TARGETS).unlink(missing_ok=True)
    shutil.rmtree(run.folder / "teachers", ignore_errors=True)
