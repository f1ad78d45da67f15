"""The errors that this package raises on purpose.

    RnnInferError
    ├── RuntimeMissingError    onnxruntime cannot be imported     (also an ImportError)
    ├── DeviceError            the device does not work           (also a RuntimeError)
    ├── ModelFileError         the model file is bad              (also a ValueError)
    │   └── WrongKindError     the file is good, but of another kind
    ├── UnknownCharacterError  a character is not in the vocabulary (also a ValueError)
    ├── OptionError            an argument is out of range        (also a ValueError)
    ├── TableError             a table of texts cannot be read    (also a ValueError)
    ├── SnapshotError          the bytes are not a session of this model (also a ValueError)
    ├── PoolFullError          a pool has no place for a stream   (also a TimeoutError)
    └── PicklingError          the object cannot leave its process (also a pickle.PicklingError)

Each message is one line: what is wrong, then what to do. The second base class is the one that a
caller who does not know this package would catch.
"""

import errno
import pickle
from collections.abc import Iterator

_LONGEST = 2000
"""Characters of a message that are shown."""


_CURES = {
    errno.EACCES: "give yourself the permission, or name another place",
    errno.EPERM: "give yourself the permission, or name another place",
    errno.EROFS: "name another place",
    errno.ENOSPC: "make room on the disk, or name another place",
    errno.EDQUOT: "make room below your quota, or name another place",
    errno.EFBIG: "name another place, or raise the limit with ulimit -f",
    errno.EMFILE: "close files, or raise the limit with ulimit -n",
    errno.ENFILE: "close files, and try again",
    errno.ENOMEM: "free memory, and try again",
    errno.EIO: "check the disk, and try again",
    errno.ENOENT: "check the name",
    errno.ENOTDIR: "check the name",
    errno.EISDIR: "name a file",
    errno.ENAMETOOLONG: "name it shorter",
    errno.ELOOP: "check its links",
}


def because(error: Exception) -> str:
    """Return why the system refused, and what to do: the end of a message.

    Args:
        error: an `OSError`, or what a stranger's file object raised.
    """
    reason = " ".join(str(getattr(error, "strerror", None) or error).split())
    cure = _CURES.get(getattr(error, "errno", None) or 0, "try again")
    return f"{reason or type(error).__name__}; {cure}"


def check_memory(error: Exception) -> None:
    """Raise MemoryError if an error of another library means that there is not enough memory.

    Libraries in C++ have words of their own for it, and some lose the reason on the way.
    """
    if lacks_memory(error):
        raise MemoryError(f"there is not enough memory ({first_line(error)})") from error


def lacks_memory(error: Exception) -> bool:
    """Return whether an error of another library means that there is not enough memory."""
    return any(map(_says_no_memory, _causes(error)))


def _says_no_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return True
    words = ("allocate ", "bad_alloc")
    if isinstance(error, SystemError):  # a function in C failed, and said nothing
        words = ("without setting an exception", "without exception set")
    if isinstance(error, TypeError):  # Python could not ask a path for its text
        _, asked, given = str(error).partition("os.PathLike")
        return bool(asked) and given.endswith(("not PosixPath", "not WindowsPath"))
    return any(each in str(error) for each in words)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, and those that it came from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message. onnxruntime's messages can be pages long."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _printable(char: str) -> str:
    return char if char.isprintable() else char.encode("unicode_escape").decode()


class RnnInferError(Exception):
    """The base class of all errors of `rnn_infer`."""

    def __str__(self) -> str:
        """Return the message. What a file or a text brought along cannot break the line.

        Characters that are not printable, such as line ends, escape codes and marks that turn the
        direction of writing, are escaped. Of a very long message the middle is left out.
        """
        text = super().__str__()
        if not text.isprintable():
            text = "".join(map(_printable, text))
        half = _LONGEST // 2
        return text if len(text) <= _LONGEST else f"{text[:half]} … {text[-half:]}"


class RuntimeMissingError(RnnInferError, ImportError):
    """The package onnxruntime is not installed, or cannot be imported."""


class DeviceError(RnnInferError, RuntimeError):
    """The requested device cannot run the model."""


class ModelFileError(RnnInferError, ValueError):
    """The file is missing, damaged, from another program, too new, or breaks the format."""


class WrongKindError(ModelFileError):
    """The file is good, but holds another kind of model than the caller asked for."""


class UnknownCharacterError(RnnInferError, ValueError):
    """A text has a character that is not in the model's vocabulary."""


class OptionError(RnnInferError, ValueError):
    """An argument is out of range."""


class TableError(RnnInferError, ValueError):
    """A table or list of texts cannot be read, or it is not clear how it is meant."""


class SnapshotError(RnnInferError, ValueError):
    """The bytes of a saved session are damaged, or belong to another model file."""


class PoolFullError(RnnInferError, TimeoutError):
    """A pool has as many open streams as its limit allows, and none was closed in time."""


class PicklingError(RnnInferError, pickle.PicklingError):
    """The object cannot be pickled or copied, because it belongs to one process."""
