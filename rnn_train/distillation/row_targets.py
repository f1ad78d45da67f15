"""Soft targets of labelled rows in a file: written a block at a time, and then memory-mapped."""

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnn_train.errors import RunError
from rnn_train.files import replacing, sha256

BLOCK = 1 << 21
"""Probabilities that are in memory at once."""
_EXACT = 1 << 24
"""Up to this many probabilities are kept in float32. More of them are kept in float16."""


def block_rows(labels: int) -> int:
    """Returns how many rows of so many labels are in memory at once."""
    return max(1, BLOCK // labels)


def size_of(rows: int, labels: int) -> int:
    """Returns the bytes of a file of soft targets."""
    return rows * labels * _kind(rows, labels).itemsize


def check_room(folder: Path, size: int, what: str = "the soft targets") -> None:
    """Checks that a disk has room.

    Args:
        folder: on the disk.
        size: bytes to write.
        what: they are, for the message.

    Raises:
        RunError: it has not.
    """
    free = shutil.disk_usage(folder).free
    if size > free:
        raise RunError(
            f"cannot write into {folder}: {what} take {size / 1e9:.1f} GB, and "
            f"{free / 1e9:.1f} GB are free; give a --run folder elsewhere, or less data"
        )


def write_targets(path: Path, rows: int, labels: int, blocks: Iterable[NDArray[np.float32]]) -> str:
    """Writes soft targets. The file is complete, or it is not there.

    Args:
        path: the file. Its folder must exist.
        rows, labels: how many there are.
        blocks: probabilities [some rows, labels], in the order of the rows.

    Returns:
        The sha256 of the file.

    Raises:
        RunError: the disk has no room for it.
    """
    check_room(path.parent, size_of(rows, labels))
    kind, digest, written = _kind(rows, labels), hashlib.sha256(), 0
    with replacing(path) as file:
        for block in blocks:
            data = block.astype(kind).tobytes()
            digest.update(data)
            file.write(data)
            written += len(block)
    assert written == rows, "each row has soft targets"
    return digest.hexdigest()


def open_targets(
    path: Path, rows: int, labels: int, expected: str | None = None
) -> NDArray[np.floating]:
    """Opens soft targets, memory-mapped.

    Args:
        path: of a file that `write_targets` has written.
        rows, labels: how many there are.
        expected: the sha256 of the file; None: it is not compared.

    Returns:
        Probabilities [rows, labels].

    Raises:
        RunError: the file is missing or damaged.
    """
    if expected is not None and sha256(path) != expected:
        raise RunError(f"{path} is damaged (its checksum is wrong); start a new run")
    return np.memmap(path, _kind(rows, labels), "r").reshape(rows, labels)


def _kind(rows: int, labels: int) -> np.dtype[np.floating]:
    return np.dtype("<f4" if rows * labels <= _EXACT else "<f2")
