"""Atomic writing of files: a file is complete, or it is not there."""

import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from rnn_infer.errors import RnnInferError, because
from rnn_train.errors import RnnTrainError, RunError


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
    # It has its name before it exists, so that a signal at any moment leaves none behind.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise RunError(f"cannot write {path}: {because(error)}") from error
    finally:
        _remove(temporary)


def write_bytes(path: Path, data: bytes) -> None:
    """Writes a file atomically.

    Raises:
        RunError: it cannot be written.
    """
    with replacing(path) as stream:
        stream.write(data)


def read_bytes(path: Path) -> bytes:
    """Reads a whole file.

    Raises:
        RunError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise RunError(f"{path} cannot be read: {because(error)}") from error


def names(folder: Path) -> list[str]:
    """Lists a folder, sorted. A folder that does not exist holds nothing.

    `Path.glob` takes a folder that cannot be listed for an empty one.

    Raises:
        RunError: it cannot be listed.
    """
    try:
        return sorted(each.name for each in folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RunError(f"cannot list {folder}: {because(error)}") from error


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
        raise RunError(f"cannot write {path}: {because(error)}") from error


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
    check_reachable(path, "--out")


def check_reachable(path: Path, option: str) -> None:
    """Checks that a file can be written, before long work. Nothing is made.

    Args:
        path: of the file. Its folder need not exist.
        option: names the path.

    Raises:
        RunError: it cannot be written.
    """
    try:
        folder = next(each for each in path.absolute().parents if each.exists())
    except OSError as error:
        raise RunError(f"cannot write {path}: {because(error)}") from error
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        what = "cannot be written" if folder.is_dir() else "is no folder"
        raise RunError(f"cannot write {path}: {folder} {what}; name another {option}")


class Watched:
    """A file that may be replaced."""

    def __init__(self, path: Path) -> None:
        """Looks at the file, which need not exist."""
        self._path = path
        self._before = self._identity()

    @property
    def replaced(self) -> bool:
        """Whether another file stands there now."""
        return self._identity() not in (self._before, None)

    def _identity(self) -> tuple[int, ...] | None:
        try:
            facts = self._path.stat()
        except OSError:
            return None
        return facts.st_dev, facts.st_ino, facts.st_mtime_ns, facts.st_size


@contextmanager
def telling(path: Path) -> Iterator[None]:
    """An error of the block, which replaces a file, says so if it comes after that.

    Args:
        path: the file.

    Raises:
        RnnTrainError, RnnInferError: of the block.
        KeyboardInterrupt: it always says whether the file was replaced.
    """
    watched = Watched(path)
    try:
        yield
    except (RnnTrainError, RnnInferError) as error:
        if watched.replaced:
            raise type(error)(f"{error}; {path} is written, and whole") from error
        raise
    except KeyboardInterrupt as interrupt:
        state = "is written, and whole" if watched.replaced else "is as it was"
        raise KeyboardInterrupt(f"{path} {state}") from interrupt


@contextmanager
def all_or_none(*paths: Path) -> Iterator[None]:
    """If the block, which writes several files, raises an error, all are as they were before.

    New folders go as well, if nothing else is in them.

    Args:
        paths: the files; they need not exist.

    Raises:
        RunError: a folder has no room for a copy of a file that is there.
    """
    made = sorted({f for path in paths for f in path.parents if not f.exists()}, reverse=True)
    kept: dict[Path, Path] = {}
    try:
        for path in filter(Path.is_file, paths):
            kept[path] = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
            _link(path, kept[path])
        yield
    except BaseException:
        for path in paths:
            if path not in kept:
                _remove(path)
            elif kept[path].exists():
                with suppress(OSError):
                    os.replace(kept[path], path)
        for folder in made:
            with suppress(OSError):
                folder.rmdir()
        raise
    finally:
        for copy in kept.values():
            _remove(copy)


@contextmanager
def keeping_previous(path: Path, own_sha256: str | None) -> Iterator[Path | None]:
    """Keeps a copy of a file that the `with` block replaces, unless it has a known hash.

    The copy is `<name>.previous<suffix>`; if there is one already, `<name>.previous-2<suffix>`, and
    so on. If the block raises an error, there is no copy.

    Args:
        path: the file; it need not exist.
        own_sha256: hash of the content that need not be kept.

    Yields:
        The copy, or None.

    Raises:
        RunError: the copy cannot be written.
    """
    if not path.is_file() or sha256(path) == own_sha256:
        yield None
        return
    copy, number = path.with_suffix(f".previous{path.suffix}"), 1
    while copy.exists():
        number += 1
        copy = path.with_suffix(f".previous-{number}{path.suffix}")
    write_bytes(copy, read_bytes(path))
    try:
        yield copy
    except BaseException:
        _remove(copy)
        raise


def sha256(path: Path) -> str:
    """Computes the hash of a file.

    Raises:
        RunError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise RunError(f"cannot read {path}: {because(error)}") from error


def _link(path: Path, copy: Path) -> None:
    """Gives a file a second name; where a file system has no links, copies it."""
    try:
        with suppress(OSError):
            os.link(path, copy)
            return
        shutil.copy2(path, copy)
    except OSError as error:
        raise RunError(f"cannot write {copy.parent}: {because(error)}") from error


def _sync_folder(folder: Path) -> None:
    """Makes sure that a renamed file survives a power failure, if the system supports it."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _remove(path: Path) -> None:
    """Removes a file, if it is there. The error that is on its way is the one to report."""
    for _ in range(2):
        try:
            path.unlink(missing_ok=True)
            return
        except OSError:
            continue
