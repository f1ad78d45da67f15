"""What a character model's run takes from models that stand already: weights, or answers."""

import dataclasses
from pathlib import Path
from typing import Any

import torch

from rnn_train import checkpoint
from rnn_train.errors import RunError
from rnn_train.files import write_bytes
from rnn_train.job import Request
from rnn_train.models import CharLSTMConfig
from rnn_train.plan import Plan
from rnn_train.run import Run
from rnn_train.teachers import Teachers


@dataclasses.dataclass(frozen=True)
class Base:
    """What a run takes from an earlier one."""

    vocabulary: tuple[str, ...]
    unknown: int | None
    model: CharLSTMConfig
    weights: dict[str, torch.Tensor]

    @classmethod
    def of(cls, request: Request) -> "Base":
        """Reads the run to start from. Raises `RunError`: it cannot be, or options do not fit."""
        assert request.init_from is not None
        if request.min_count > 1:
            raise RunError("--init-from keeps the vocabulary as it is; drop --min-count")
        run = Run.open(request.init_from)
        try:
            config = run.config()
            if config.get("command") != "charlm":
                raise RunError(f"{run.folder} is no charlm run; --init-from needs one")
            state, _ = run.last_state()
        finally:
            run.close()
        model = CharLSTMConfig(**config["model"])
        for name in ("embedding", "hidden", "layers", "head", "skip"):
            if request.model.get(name, own := getattr(model, name)) != own:
                raise RunError(f"{run.folder} has {name} {own}, which stays; drop --{name}")
        weights = checkpoint.averaged_weights(state)
        return cls(tuple(config["vocabulary"]), config["unknown"], model, weights)


@dataclasses.dataclass(frozen=True)
class Teaching:
    """The files a run is to learn from."""

    files: tuple[Path, ...]
    vocabulary: tuple[str, ...]
    unknown: int | None

    @classmethod
    def of(cls, request: Request) -> "Teaching":
        """Reads them. Raises `RnnInferError`, `RnnTrainError`: they cannot teach, or options do
        not fit."""
        if request.min_count > 1:
            raise RunError("--teacher keeps the vocabulary as it is; drop --min-count")
        teachers = Teachers(request.teachers)
        return cls(request.teachers, teachers.vocabulary, teachers.unknown)

    def copy(self, run: Run) -> list[str]:
        """Puts them into a run's folder, which then needs the originals no more. Returns where
        they came from."""
        for name, file in zip(Lesson(given=len(self.files)).files, self.files, strict=True):
            write_bytes(run.folder / name, file.read_bytes())
        return list(map(str, self.files))


@dataclasses.dataclass(frozen=True)
class Lesson:
    """Who teaches a run: models that were given, and then some that it trains itself."""

    given: int = 0
    trained: int = 0
    minutes: float | None = None
    """Of training for each that is trained."""
    epochs: float | None = None
    model: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Config of those that are trained."""

    @property
    def teachers(self) -> int:
        """All of them."""
        return self.given + self.trained

    @property
    def files(self) -> list[str]:
        """Where they lie in the run's folder, those given first."""
        return [f"teachers/{number}.onnx" for number in range(1, self.teachers + 1)]

    def plan(self, rate: float, steps_per_epoch: int) -> Plan:
        """How long each is trained."""
        if self.epochs is not None:
            return Plan(rate, steps=max(1, round(self.epochs * steps_per_epoch)), minutes=None)
        return Plan(rate, steps=None, minutes=self.minutes)
