"""Atomic writing of files: a file is complete, or it is not there."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from rnn_train.errors import RunError


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Opens a temporary file that replaces `path` at the end of the `with` block.

    If the block raises an error, the temporary file is deleted and `path` stays as it was.

    Args:
        path: the file to write. Its folder is made if it does not exist.

    Yields:
        The temporary file.

    Raises:
        RunError: the folder cannot be made or written, or the disk is full.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", suffix=".part", delete=False
        ) as stream:
            temporary = stream.name
            yield stream  # type: ignore[misc]
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o666 & ~_umask())
        os.replace(temporary, path)
        temporary = None
        _sync_folder(path.parent)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Writes a file atomically.

    Raises:
        RunError: it cannot be written.
    """
    with replacing(path) as stream:
        stream.write(data)


def check_writable(path: Path) -> None:
    """Checks that `path` can be written, before long work whose result goes there.

    Raises:
        RunError: it cannot be written.
    """
    if path.is_dir():
        raise RunError(f"cannot write {path}: it is a folder; name a file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error


def check_model_path(path: Path, make_folder: bool = True) -> None:
    """Checks that a model file can be written to `path`, before the training.

    Args:
        path: of the model file.
        make_folder: make the folder if it does not exist. Otherwise nothing is written.

    Raises:
        RunError: the name does not end in .onnx, or the file cannot be written.
    """
    if path.is_dir():
        raise RunError(f"cannot write {path}: it is a folder; name a file")
    if path.suffix.lower() != ".onnx":
        raise RunError(f"{path}: a model file ends in .onnx; name it {path.name}.onnx for example")
    if make_folder:
        check_writable(path)
        return
    folder = next(each for each in path.absolute().parents if each.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise RunError(f"cannot write {path}: {folder} cannot be written; name another --out")


def _sync_folder(folder: Path) -> None:
    """Makes sure that a renamed file survives a power failure, if the system supports it."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
