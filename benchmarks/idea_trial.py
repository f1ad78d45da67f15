"""One trial of an idea: a model is trained and scored, after its teachers.

See `benchmarks.charlm_ideas`.
"""

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rnn_train.evaluation.language_model import fit_temperature, held_out_loss
from rnn_train.exporting.model_file import export
from rnn_train.models.charlm import CharLSTM
from rnn_train.models.parameters import parameter_count
from rnn_train.tasks.charlm.objective import CharLMObjective
from rnn_train.tasks.charlm.recipe import charlm_model, charlm_training
from rnn_train.tasks.charlm.task import CharLMTask
from rnn_train.tasks.charlm.teaching import SOFT_TARGETS
from rnn_train.tasks.plan import Settings
from rnn_train.tasks.request import CharLMRequest
from rnn_train.training.loop import Trainer
from rnn_train.training.run import Run
from rnn_train.training.schedule import Schedule

from .ablation import Figures
from .idea_teachers import Tokens
from .idea_training import MuonPerGate

SNAPSHOT = 0.6
"""Share of a teacher's training after which its snapshot is taken."""
CPU = torch.device("cpu")
_OPERATIONS = 1.2e11
"""Operations a second that the recipe counts on: those of two AVX2 cores."""


@dataclass(frozen=True, kw_only=True)
class Idea:
    """What an idea changes. The defaults change nothing."""

    decay: float = 1.0
    """Factor of the weight decay."""
    passes: float = 1.0
    """Dropout is that of so many times more passes."""
    objective: Callable[[CharLMTask, int], tuple[CharLMObjective, int]] | None = None
    """Makes another objective from a task and its number of steps, and returns its own number."""
    per_gate: bool = False
    """Whether `MuonPerGate` trains the gate matrices."""
    teachers: tuple[str, ...] = ()
    """Names of the teachers."""
    mean: Callable[["Texts", list[Path], Path], None] | None = None
    """Writes the soft targets; None: the arithmetic mean."""


@dataclass(frozen=True)
class Texts:
    """The three parts of a text."""

    train: str
    between: str
    scored: str
    vocabulary: Mapping[str, int] = field(init=False)

    def __post_init__(self) -> None:
        """Numbers the characters as a run does."""
        known = {char: number for number, char in enumerate(sorted(set(self.train)))}
        object.__setattr__(self, "vocabulary", known)

    def known(self, part: str) -> str:
        """A part without characters that the first one lacks."""
        return "".join(char for char in getattr(self, part) if char in self.vocabulary)

    def tokens(self, part: str) -> Tokens:
        """The tokens of a part, [characters]."""
        return np.array([self.vocabulary[char] for char in self.known(part)])


class _Snapshots(Trainer):
    """A trainer that exports the averaged weights once on the way."""

    at: int
    """Number of the step after which it does."""
    export: Callable[[CharLSTM], None]

    def take_step(self, rate: float) -> None:
        """See `Trainer`."""
        super().take_step(rate)
        if self.step == self.at:
            model = self.learner.averaged_model()
            assert isinstance(model, CharLSTM)
            self.export(model)


@dataclass(frozen=True)
class Trial:
    """The texts, the budget and the teachers of one seed."""

    texts: Texts
    minutes: float | None
    """The recipe is that of a run of so many minutes; None: that of the passes."""
    epochs: float
    seed: int
    teachers: Path
    """Folder of the teachers' files."""

    def measure(self, idea: Idea) -> Figures:
        """Trains and scores a model."""
        files = [self._teacher(name) for name in idea.teachers]
        started = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            task, model = self._train(Path(folder), idea, self.seed, files)
            temperature = fit_temperature(model, self.texts.tokens("between")).temperature
            nats = held_out_loss(model, self.texts.tokens("scored"), 1, temperature)
        return {
            "held_out_nats_per_char": nats,
            "temperature": temperature,
            "parameters": parameter_count(task.model),
            "cpu_seconds": time.process_time() - started,
        }

    def _teacher(self, name: str) -> Path:
        """Returns the file of a teacher or a snapshot, which is trained if it lacks."""
        path = self.teachers / f"{name}.onnx"
        number = name.partition("-")[0]
        if not path.exists():
            self.teachers.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory() as folder:
                seed = self.seed + 100 * int(number)
                task, model = self._train(Path(folder), Idea(), seed, [], number)
                _export(task, model, self.teachers / f"{number}.onnx")
        return path

    def _train(
        self, folder: Path, idea: Idea, seed: int, teachers: list[Path], snapshot: str = ""
    ) -> tuple[CharLMTask, CharLSTM]:
        """Trains a model in a folder, and exports a snapshot of it if one is named."""
        torch.manual_seed(seed)
        task, run = self._task(folder, idea, seed, teachers)
        if idea.mean:
            idea.mean(self.texts, teachers, run.folder / SOFT_TARGETS)
        task.prepare(CPU, print)  # it writes no soft targets if they are there
        steps = round(self.epochs * task.steps_per_epoch)
        if idea.objective:
            objective, steps = idea.objective(task, steps)
        else:
            objective = task.objective(CPU)
        training = task.plan.training
        schedule = Schedule(training.learning_rate, steps=steps, minutes=None)
        trainer = _Snapshots(run, objective, schedule, training, CPU)
        trainer.at = round(SNAPSHOT * steps) if snapshot else -1
        path = self.teachers / f"{snapshot}-snapshot.onnx"
        trainer.export = lambda model: _export(task, model, path)
        if idea.per_gate:
            group = {"params": list(objective.gates), "share": training.muon}
            optimizer = MuonPerGate([group], lr=0.0, weight_decay=training.weight_decay)
            trainer.learner.optimizers[1] = optimizer
        outcome = trainer.fit()
        run.close()
        if not outcome.finished:
            raise KeyboardInterrupt  # half a run is no figure
        assert isinstance(outcome.model, CharLSTM)
        return task, outcome.model

    def _task(
        self, folder: Path, idea: Idea, seed: int, teachers: list[Path]
    ) -> tuple[CharLMTask, Run]:
        for part in ("train", "between"):
            (folder / f"{part}.txt").write_text(self.texts.known(part), "utf-8", newline="")
        request = CharLMRequest(
            data=(str(folder / "train.txt"),),
            val_data=str(folder / "between.txt"),
            seed=seed,
            epochs=self.epochs,
            teachers=tuple(teachers),
            model=self._model(idea.passes * self.epochs, distilled=bool(teachers)),
            training={"validate_every": 1e9} | self._training(idea.decay),
        )
        run = Run.create("charlm", folder / "run")
        return CharLMTask.create(run, request, Settings(device="cpu")), run

    def _model(self, passes: float, distilled: bool) -> dict[str, Any]:
        """The recipe's model, with the dropout of so many passes."""
        characters, vocabulary = len(self.texts.train), len(self.texts.vocabulary)
        sizes = vocabulary, characters, _OPERATIONS
        model = charlm_model(*sizes, minutes=self.minutes, epochs=passes, distilled=distilled)
        return {name: value for name, value in asdict(model).items() if name != "vocabulary"}

    def _training(self, decay: float) -> dict[str, float]:
        """The recipe's training, with so many times its weight decay."""
        characters = len(self.texts.train)
        chosen = charlm_training(characters, self.minutes, _OPERATIONS, 0, epochs=self.epochs)
        names = ("batch", "window", "learning_rate", "muon", "weight_decay")
        fields = {name: getattr(chosen, name) for name in names}
        return fields | {"weight_decay": decay * chosen.weight_decay}


def _export(task: CharLMTask, model: CharLSTM, path: Path) -> None:
    export(model, task.card(task.measure(model)), path)
