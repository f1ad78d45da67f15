"""Checkpoints: files with a checksum that hold all that a run needs to continue."""

import errno
import hashlib
import io
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from rnn_infer.errors import check_memory
from rnn_train.errors import RunError
from rnn_train.files import names, read_bytes, write_bytes

KEEP = 3
"""Number of checkpoints that are kept."""
_OF_THE_FILE = (errno.EIO, errno.EISDIR)
"""Errors of a read that are damage of this file alone."""
_MAGIC = b"RNNCKPT1"
_NAME = re.compile(r"step-(\d+)\.ckpt")


def save(folder: Path, step: int, state: dict[str, Any]) -> Path:
    """Writes a checkpoint, and deletes the oldest ones.

    Args:
        folder: of the checkpoints.
        step: number of the step; it is part of the file name.
        state: tensors and plain values.

    Returns:
        The file.

    Raises:
        RunError: it cannot be written.
    """
    path = folder / f"step-{step:09d}.ckpt"
    write(path, state)
    for old in _all(folder)[KEEP:]:
        with suppress(OSError):  # the next time will do
            old.unlink(missing_ok=True)
    return path


def write(path: Path, state: dict[str, Any]) -> None:
    """Writes one file with a checksum. The file is complete, or it is not there.

    Args:
        path: the file.
        state: tensors and plain values.

    Raises:
        RunError: it cannot be written.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    payload = buffer.getvalue()
    write_bytes(path, _MAGIC + hashlib.sha256(payload).digest() + payload)


def read(path: Path) -> dict[str, Any]:
    """Reads a file that `write` has written.

    Args:
        path: the file.

    Returns:
        The state, on the CPU.

    Raises:
        RunError: the file cannot be read, or is damaged.
    """
    data = read_bytes(path)
    head, payload = data[: len(_MAGIC) + 32], data[len(_MAGIC) + 32 :]
    if head != _MAGIC + hashlib.sha256(payload).digest():
        raise RunError(f"{path} is damaged (its checksum is wrong)")
    try:
        # weights_only: loading a checkpoint must never run code.
        state = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except Exception as error:  # on foreign bytes torch raises errors of a dozen types
        check_memory(error)  # the file is whole: the one before it must not be used
        raise RunError(f"{path} is of another version of torch or rnn_train") from error
    if not isinstance(state, dict):
        raise RunError(f"{path} is of another version of torch or rnn_train")
    return state


def exists(folder: Path) -> bool:
    """Whether the folder holds any checkpoint, damaged or not."""
    return bool(_all(folder))


def load_latest(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Loads the newest checkpoint that is not damaged.

    Args:
        folder: of the checkpoints.

    Returns:
        Its state, on the CPU, and a warning for each newer checkpoint, which is damaged.

    Raises:
        RunError: the folder holds no usable checkpoint.
    """
    warnings: list[str] = []
    for path in _all(folder):
        try:
            return read(path), warnings
        except RunError as error:
            cause = error.__cause__
            if isinstance(cause, OSError) and cause.errno not in _OF_THE_FILE:
                raise  # too many open files, for instance: the file itself may be whole
            warnings.append(f"{error}; the one before it is used")
    raise RunError(f"{folder} holds no usable checkpoint; start a new run")


def averaged_weights(state: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Takes the averaged weights from the state of a run.

    Args:
        state: what a `Trainer` has saved.

    Returns:
        The weights, with the names that the model's `state_dict` uses.
    """
    return {
        name.removeprefix("module."): value
        for name, value in state["average"].items()
        if name.startswith("module.")
    }


def _all(folder: Path) -> list[Path]:
    """All checkpoints, the newest first."""
    return [folder / name for name in reversed(names(folder)) if _NAME.fullmatch(name)]
