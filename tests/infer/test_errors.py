"""The errors: what a caller can catch them as."""

import errno
import pickle

import pytest

from rnn_infer import errors


@pytest.mark.parametrize(
    ("error", "base"),
    [
        (errors.RuntimeMissingError, ImportError),
        (errors.DeviceError, RuntimeError),
        (errors.ModelFileError, ValueError),
        (errors.WrongKindError, errors.ModelFileError),
        (errors.UnknownCharacterError, ValueError),
        (errors.OptionError, ValueError),
        (errors.TableError, ValueError),
        (errors.SnapshotError, ValueError),
        (errors.PoolFullError, TimeoutError),
        (errors.PicklingError, pickle.PicklingError),
    ],
)
def test_bases(error: type[Exception], base: type[Exception]) -> None:
    assert issubclass(error, base)
    assert issubclass(error, errors.RnnInferError)
    raised = pickle.loads(pickle.dumps(error("one line")))
    assert type(raised) is error
    assert str(raised) == "one line"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("a\nb\r\x1b[2J", r"a\nb\r\x1b[2J"),
        ("two\u2028lines", r"two\u2028lines"),
        ("\u202etxt.exe", r"\u202etxt.exe"),
        ("half \ud800", r"half \ud800"),
        ("Müller – 日本", "Müller – 日本"),
        ("a\\nb", "a\\nb"),
    ],
)
def test_message_is_one_printable_line(given: str, shown: str) -> None:
    assert str(errors.TableError(given)) == shown


def test_long_message_keeps_its_ends() -> None:
    text = str(errors.ModelFileError("what: " + "x" * 10**6 + "; do this"))
    assert text.startswith("what: xxx")
    assert text.endswith("xxx; do this")
    assert len(text) < 2100


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.EMFILE, "Too many open files"), "Too many open files; close files, or"),
        (OSError(errno.EINTR, "Interrupted"), "Interrupted; try again"),
        (RuntimeError("two\nlines"), "two lines; try again"),
        (RuntimeError(), "RuntimeError; try again"),
    ],
)
def test_because_says_what_to_do(error: Exception, said: str) -> None:
    assert errors.because(error).startswith(said)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("Failed to allocate memory for requested buffer of size 9"),
        RuntimeError("std::bad_alloc"),
        SystemError("<built-in method reduce> returned NULL without setting an exception"),
        TypeError("replace: src should be string, bytes or os.PathLike, not PosixPath"),
        TypeError("stat: path should be string, bytes, os.PathLike or integer, not WindowsPath"),
    ],
)
def test_no_memory_in_the_words_of_other_libraries(error: Exception) -> None:
    later = ValueError("unexpected pos 4704 vs 598")
    later.__context__ = error
    for each in (error, later):
        with pytest.raises(MemoryError, match="there is not enough memory"):
            errors.check_memory(each)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("no kernel"),
        SystemError("bad argument"),
        TypeError("open: path should be string, bytes or os.PathLike, not int"),
        TypeError("expected a number, not PosixPath"),
    ],
)
def test_other_errors_of_libraries_pass(error: Exception) -> None:
    errors.check_memory(error)
