"""Ctrl-C and SIGTERM, noted rather than obeyed at once."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def interruptible() -> Iterator[Any]:
    """Yields a function that says whether Ctrl-C or SIGTERM came; a second Ctrl-C raises."""
    came: list[int] = []

    def note(number: int, _frame: Any) -> None:
        if came and number == signal.SIGINT:
            raise KeyboardInterrupt
        came.append(number)

    try:
        previous = {
            number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)
        }
    except ValueError:  # not in the main thread: a notebook's or an app's own affair
        yield lambda: False
        return
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
