"""Errors of the system, such as a full disk or too little memory, as errors of the package."""

from collections.abc import Iterator
from contextlib import contextmanager

from rnn_infer.errors import because, check_memory
from rnn_train.errors import RunError

_NO_MEMORY = "there is not enough memory; free some, or take a smaller model, --batch or --window"


@contextmanager
def system_errors() -> Iterator[None]:
    """Turns an error of the system into a `RunError`, if no other place has reported it.

    Files of a run folder are read at many places. What fails there is said here, in one line.

    Raises:
        RunError: a file cannot be read or written, or there is not enough memory.
    """
    try:
        yield
    except BrokenPipeError:
        raise  # the reader of the output has seen enough, which is no error
    except OSError as error:
        where = error.filename or "a file, or the output,"
        raise RunError(f"{where} cannot be read or written: {because(error)}") from error
    except (MemoryError, RuntimeError, SystemError, TypeError) as error:
        try:
            # torch raises a RuntimeError that says how many bytes it could not allocate.
            check_memory(error)
        except MemoryError:
            raise RunError(_NO_MEMORY) from error
        raise
