"""Interruption: Ctrl-C and SIGTERM end training after the current step."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn


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
