"""Warm start: a character model starts from an earlier run (`--init-from`)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from rnn_train.errors import RunError
from rnn_train.models.charlm import CharLSTMConfig
from rnn_train.training import checkpoint
from rnn_train.training.run import Run

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_FIXED = ("embedding", "hidden", "layers", "head", "skip")
"""Fields of the config that follow from the weights."""


@dataclass(frozen=True)
class WarmStart:
    """Vocabulary, shape and weights of an earlier run."""

    vocabulary: tuple[str, ...]
    unknown: int | None
    model: CharLSTMConfig
    weights: dict[str, torch.Tensor]
    """Averaged weights of the last checkpoint, by name."""
    folder: Path
    """The earlier run."""

    @classmethod
    def of(cls, folder: Path, asked: Mapping[str, Any]) -> "WarmStart":
        """Reads the earlier run.

        Args:
            folder: a run folder of `rnn-train charlm`.
            asked: fields of the model's config in the request.

        Raises:
            RunError: the run cannot be read, or has another shape than the request.
        """
        with read_run(folder, "charlm") as (_, config, weights):
            model = CharLSTMConfig(**config["model"])
            check_shape(folder, model, asked, _FIXED)
        return cls(tuple(config["vocabulary"]), config["unknown"], model, weights, Path(folder))


@contextmanager
def read_run(
    folder: Path, kind: str
) -> Iterator[tuple[Run, dict[str, Any], dict[str, torch.Tensor]]]:
    """Opens an earlier run.

    Args:
        folder: the run folder; a str is taken too.
        kind: the kind that the run must have.

    Yields:
        The run, its configuration, and the averaged weights of its last checkpoint, by name.

    Raises:
        RunError: it is no run of that kind, or it cannot be read.
    """
    try:
        folder = Path(folder)
    except TypeError:
        raise RunError(f"init_from must be the path of a run folder, got {folder!r}") from None
    if folder.is_file():
        raise RunError(
            f"{folder} is a model file, whose layers are merged, so it cannot be trained; give "
            f"--init-from the run folder that it came from, such as runs/{kind}-1"
        )
    run = Run.open(folder)
    try:
        config = run.config()
        if config.get("command") != kind:
            raise RunError(f"{folder} is no {kind} run; give --init-from a {kind} run")
        state, _ = run.last_state()
        yield run, config, checkpoint.averaged_weights(state)
    finally:
        run.close()


def check_shape(
    folder: Path, model: "DataclassInstance", asked: Mapping[str, Any], fixed: Sequence[str]
) -> None:
    """Checks that a request asks for the shape of the earlier model.

    Args:
        folder: of the earlier run.
        model: config of the earlier model.
        asked: fields of the config in the request.
        fixed: fields that follow from the weights.

    Raises:
        RunError: it asks for another shape; the message names all differences.
    """
    own = {name: getattr(model, name) for name in fixed}
    if other := [name for name in fixed if asked.get(name, own[name]) != own[name]]:
        has = ", ".join(f"{name} {own[name]}" for name in other)
        options = ", ".join(f"--{name}" for name in other)
        raise RunError(
            f"{folder} has {has}, which cannot change; drop {options}, or train a new model "
            "without --init-from"
        )
