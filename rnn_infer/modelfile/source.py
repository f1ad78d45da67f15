"""Sources of a model file: a path, bytes, an open file, or a resource of a package."""

import hashlib
import os
import stat
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Literal, Protocol

from rnn_infer import contract
from rnn_infer.errors import ModelFileError, OptionError, because, check_memory

_BYTES = "<bytes>"
_FILE_OBJECT = "<file object>"


class Readable(Protocol):
    """A binary file object."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes. No bytes: the end."""


class Resource(Protocol):
    """A resource of a package, in a folder or in a zip: `importlib.resources.abc.Traversable`."""

    def open(self, mode: Literal["rb"], /) -> IO[bytes]:
        """Open it for reading."""


ModelSource = str | os.PathLike[str] | bytes | bytearray | memoryview | Readable | Resource
"""What a model can be loaded from."""


@dataclass(frozen=True)
class SourceBytes:
    """The bytes of a source, which is read once."""

    name: str
    """The name in messages: the path as the caller gave it, or the name of the object."""
    data: bytes
    path: str | None = None
    """The absolute path where the file can be read again. None: the source was not a path."""

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of `data`, hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()


def read_source(source: ModelSource) -> SourceBytes:
    """Read all bytes of a source.

    A file object is read from its position to its end, and is not closed.

    Raises:
        ModelFileError: the source cannot be read, is empty, or is too large.
        OptionError: it is none of the types of `ModelSource`.
    """
    if isinstance(source, str | os.PathLike):
        name = os.fsdecode(source)
        found = SourceBytes(name, _read_path(name), os.path.abspath(name))  # noqa: PTH100  (resolves no link)
    elif isinstance(source, bytes | bytearray | memoryview):
        found = SourceBytes(_BYTES, bytes(source))
    elif hasattr(source, "read"):
        given = getattr(source, "name", None)
        name = given if isinstance(given, str) else _FILE_OBJECT
        found = SourceBytes(name, _read_stream(name, source))
    elif hasattr(source, "open"):
        found = SourceBytes(str(source), _read_resource(source))
    else:
        raise OptionError(
            f"a model is loaded from a path, bytes, a file opened with mode 'rb' or a resource of "
            f"importlib.resources, not from {type(source).__name__}"
        )
    if not found.data:
        raise ModelFileError(f"{found.name}: is empty")
    if len(found.data) > contract.MAX_FILE_BYTES:
        shown = contract.MAX_FILE_BYTES // 2**20
        raise ModelFileError(f"{found.name}: is larger than {shown} MB, the limit for a model file")
    return found


def _read_path(name: str) -> bytes:
    path = Path(name)
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode) and not stat.S_ISDIR(facts.st_mode):
            raise ModelFileError(f"{name}: is not a regular file; name the .onnx file itself")
        with path.open("rb") as stream:
            # One byte more than the size, to notice that the file grows.
            data = stream.read(min(facts.st_size, contract.MAX_FILE_BYTES) + 1)
    except ModelFileError:
        raise
    except Exception as error:
        check_memory(error)
        raise _unreadable(name, error) from None
    if data and len(data) <= contract.MAX_FILE_BYTES and len(data) != facts.st_size:
        raise ModelFileError(f"{name}: is being written; load it again later")
    return data


def _read_resource(resource: Any) -> bytes:
    name = str(resource)
    try:
        stream = resource.open("rb")
    except Exception as error:
        check_memory(error)
        raise _unreadable(name, error) from None
    with stream:
        return _read_stream(name, stream)


def _read_stream(name: str, stream: Any) -> bytes:
    """Read up to one byte more than the limit. A stream may return less than was asked for."""
    parts, left = [], contract.MAX_FILE_BYTES + 1
    while left > 0:
        try:
            part = stream.read(left)
        except Exception as error:  # a stranger's object may raise anything
            check_memory(error)
            raise _unreadable(name, error) from None
        if not isinstance(part, bytes | None):
            raise ModelFileError(f"{name}: is open as text; open it with mode 'rb'")
        if not part:
            break
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _unreadable(name: str, error: Exception) -> ModelFileError:
    if isinstance(error, FileNotFoundError):
        return ModelFileError(f"{name}: no such file")
    if isinstance(error, IsADirectoryError):
        return ModelFileError(f"{name}: is a folder; name the .onnx file in it")
    return ModelFileError(f"{name}: cannot be read: {because(error)}")
