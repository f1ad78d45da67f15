"""Errors of the system become one line."""

import errno
import os

import pytest

from rnn_train.errors import RunError
from rnn_train.system_errors import system_errors


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.EMFILE, "Too many open files", "a.bin"), r"a\.bin .*; close files"),
        (OSError(errno.ENOSPC, "No space left on device"), "the output, .*; make room"),
        (MemoryError(), "not enough memory; free some"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "not enough memory"),
    ],
)
def test_is_reported(error: Exception, message: str) -> None:
    with pytest.raises(RunError, match=message), system_errors():
        raise error


@pytest.mark.parametrize("error", [BrokenPipeError(), RuntimeError("a mistake"), ValueError()])
def test_others_pass(error: Exception) -> None:
    with pytest.raises(type(error)), system_errors():
        raise error


def test_missing_file_is_named() -> None:
    with pytest.raises(RunError, match=r"none\.bin .*; check the name"), system_errors():
        os.stat("none.bin")  # noqa: PTH116
