"""Checkpoints: everything a run needs to go on, in checksummed files, the last few kept."""

import hashlib
import io
import pickle
import re
from pathlib import Path
from typing import Any

import torch

from rnn_train.errors import RunError
from rnn_train.files import write_bytes

KEEP = 3
_MAGIC = b"RNNCKPT1"
_NAME = re.compile(r"step-(\d+)\.ckpt")


def save(folder: Path, step: int, state: dict[str, Any]) -> Path:
    """Writes `state` (tensors and plain values) as the checkpoint of `step`, and drops old ones."""
    path = folder / f"step-{step:09d}.ckpt"
    write(path, state)
    for old in _all(folder)[KEEP:]:
        old.unlink(missing_ok=True)
    return path


def write(path: Path, state: dict[str, Any]) -> None:
    """Writes one checksummed file, whole or not at all."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    payload = buffer.getvalue()
    write_bytes(path, _MAGIC + hashlib.sha256(payload).digest() + payload)


def read(path: Path) -> dict[str, Any]:
    """The state that `write` was given, on the CPU. Raises `RunError`: the file is damaged."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RunError(f"{path} cannot be read ({error.strerror})") from error
    head, payload = data[: len(_MAGIC) + 32], data[len(_MAGIC) + 32 :]
    if head != _MAGIC + hashlib.sha256(payload).digest():
        raise RunError(f"{path} is damaged (checksum)")
    try:
        # weights_only: a checkpoint is data, and never runs code.
        state = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError) as error:
        raise RunError(f"{path} is of another version of torch or rnn_train") from error
    assert isinstance(state, dict)
    return state


def exists(folder: Path) -> bool:
    """Whether there is any checkpoint, whole or not."""
    return bool(_all(folder))


def load_latest(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """The newest checkpoint that is whole.

    Returns:
        Its state, on the CPU, and a warning for each newer one that is not.

    Raises:
        RunError: there is none.
    """
    warnings: list[str] = []
    for path in _all(folder):
        try:
            return read(path), warnings
        except RunError as error:
            warnings.append(f"{error}; the one before it is used")
    raise RunError(f"{folder}: no whole checkpoint to go on from; start a new run")


def averaged_weights(state: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Of a run's state: the moving average of the weights, by the model's own names."""
    return {
        name.removeprefix("module."): value
        for name, value in state["average"].items()
        if name.startswith("module.")
    }


def _all(folder: Path) -> list[Path]:
    """Newest first."""
    found = [path for path in folder.glob("step-*.ckpt") if _NAME.fullmatch(path.name)]
    return sorted(found, reverse=True)
