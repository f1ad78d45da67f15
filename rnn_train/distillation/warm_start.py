"""Warm start: a character model starts from an earlier run (`--init-from`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rnn_train.errors import RunError
from rnn_train.models.charlm import CharLSTMConfig
from rnn_train.training import checkpoint
from rnn_train.training.run import Run

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

    @classmethod
    def of(cls, folder: Path, asked: Mapping[str, Any]) -> "WarmStart":
        """Reads the earlier run.

        Args:
            folder: a run folder of `rnn-train charlm`.
            asked: fields of the model's config in the request.

        Raises:
            RunError: the run cannot be read, or has another shape than the request.
        """
        run = Run.open(folder)
        try:
            config = run.config()
            if config.get("command") != "charlm":
                raise RunError(f"{folder} is no charlm run; give --init-from a charlm run")
            state, _ = run.last_state()
        finally:
            run.close()
        model = CharLSTMConfig(**config["model"])
        for name in _FIXED:
            if asked.get(name, own := getattr(model, name)) != own:
                raise RunError(f"{folder} has {name} {own}, which cannot change; drop --{name}")
        weights = checkpoint.averaged_weights(state)
        return cls(tuple(config["vocabulary"]), config["unknown"], model, weights)
