"""Interruption: Ctrl-C and SIGTERM end training after the current step."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Catches Ctrl-C (SIGINT) and SIGTERM in a `with` block. Then restores the old handlers.

    Outside the main thread, Python cannot catch signals; then they keep their usual effect.

    Yields:
        A function without arguments. It returns whether a signal has arrived.

    Raises:
        KeyboardInterrupt: a signal had arrived before, and then Ctrl-C.
    """
    received: list[int] = []

    def handle(number: int, _frame: Any) -> None:
        if received and number == signal.SIGINT:
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
