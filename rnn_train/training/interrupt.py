"""Interruption: Ctrl-C and SIGTERM end training after the current step."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from rnn_train.errors import Interrupted, PeerError
from rnn_train.progress import Log
from rnn_train.training.run import Run


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM has the effect of Ctrl-C in a `with` block: it raises KeyboardInterrupt."""

    def handle(_number: int, _frame: Any) -> NoReturn:
        raise KeyboardInterrupt

    try:
        previous = signal.signal(signal.SIGTERM, handle)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextmanager
def interruptible(at_once: Callable[[], bool] = lambda: False) -> Iterator[Callable[[], bool]]:
    """Catches Ctrl-C (SIGINT) and SIGTERM in a `with` block. Then restores the old handlers.

    Outside the main thread, Python cannot catch signals; then they keep their usual effect.

    Args:
        at_once: whether a signal raises KeyboardInterrupt, since nothing would be lost.

    Yields:
        A function without arguments. It returns whether a signal has arrived.

    Raises:
        KeyboardInterrupt: a signal had arrived before, and then Ctrl-C; or as `at_once` says.
    """
    received: list[int] = []

    def handle(number: int, _frame: Any) -> None:
        if at_once() or (received and number == signal.SIGINT):
            raise KeyboardInterrupt
        received.append(number)

    try:
        previous = {
            number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)
        }
    except ValueError:  # not in the main thread
        yield lambda: False
        return
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def resumable(run: Run, again: str, log: Log) -> Iterator[None]:
    """Says how to go on, with the command `again`, if the block is interrupted, or if another
    process has ended.

    Raises:
        Interrupted: the user interrupted it, and `log` has the command.
        PeerError: another process has ended.
    """
    try:
        yield
    except KeyboardInterrupt:
        if not run.has_work:
            raise
        log(f"interrupted; go on with: {again}")
        raise Interrupted from None
    except PeerError as error:
        cure = f"go on with: {again}" if run.has_work else "start again"
        raise PeerError(f"{error}; {cure}") from error
