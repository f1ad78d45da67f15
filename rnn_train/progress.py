"""Progress bars on a terminal and in a log, and the type of the `log` callback."""

import sys
from collections.abc import Callable
from typing import Any

from tqdm import tqdm

Log = Callable[[str], None]
"""Shows one line of text to the user, as `print` does."""
_LOG_SECONDS = 30.0
"""Seconds between two lines in a log."""


def progress_bar(total: int, what: str, **more: Any) -> "tqdm[Any]":
    """Opens a progress bar on standard error.

    On a terminal it is updated ten times per second; in a log it adds a line every 30 seconds.

    Args:
        total: number of steps.
        what: description of the work.
        more: further options of `tqdm`.
    """
    shown = sys.stderr is not None  # a program without a console has none
    seconds = 0.1 if shown and sys.stderr.isatty() else _LOG_SECONDS
    return tqdm(
        total=total,
        desc=what,
        dynamic_ncols=True,
        mininterval=seconds,
        maxinterval=max(10.0, seconds),
        disable=not shown,
        **more,
    )
