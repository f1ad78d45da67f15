"""What a character model's run takes from models that stand already: weights, or answers."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from rnn_train.errors import RunError
from rnn_train.files import write_bytes
from rnn_train.models.charlm import CharLSTMConfig
from rnn_train.training import checkpoint
from rnn_train.training.run import Run


@dataclasses.dataclass(frozen=True)
class WarmStart:
    """What a run takes from an earlier one."""

    vocabulary: tuple[str, ...]
    unknown: int | None
    model: CharLSTMConfig
    weights: dict[str, torch.Tensor]

    @classmethod
    def of(cls, folder: Path, asked: Mapping[str, Any]) -> "WarmStart":
        """Reads the run to start from.

        Args:
            folder: the run's.
            asked: fields of the model's config that were asked for.

        Raises:
            RunError: the run cannot be read, or its shape is not the one asked for.
        """
        run = Run.open(folder)
        try:
            config = run.config()
            if config.get("command") != "charlm":
                raise RunError(f"{run.folder} is no charlm run; --init-from needs one")
            state, _ = run.last_state()
        finally:
            run.close()
        model = CharLSTMConfig(**config["model"])
        for name in ("embedding", "hidden", "layers", "head", "skip"):
            if asked.get(name, own := getattr(model, name)) != own:
                raise RunError(f"{run.folder} has {name} {own}, which stays; drop --{name}")
        weights = checkpoint.averaged_weights(state)
        return cls(tuple(config["vocabulary"]), config["unknown"], model, weights)


@dataclasses.dataclass(frozen=True)
class TeacherPlan:
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

    def copy(self, files: Sequence[Path], run: Run) -> None:
        """Puts those that are given into a run's folder, which then needs the originals no more."""
        for name, file in zip(self.files, files, strict=False):
            write_bytes(run.folder / name, file.read_bytes())
