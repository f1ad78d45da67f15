"""Progress bars: on a terminal lively, in a log a line now and then."""

import sys
from collections.abc import Callable
from typing import Any

from tqdm import tqdm

Log = Callable[[str], None]
"""Takes one line of text for the person who started the work; `print` is one."""
_LOG_SECONDS = 30.0


def progress_bar(total: int, what: str, **more: Any) -> "tqdm[Any]":
    """A `tqdm` bar on standard error. `more`: its own options."""
    seconds = 0.1 if sys.stderr.isatty() else _LOG_SECONDS
    return tqdm(
        total=total,
        desc=what,
        dynamic_ncols=True,
        mininterval=seconds,
        maxinterval=max(10.0, seconds),
        **more,
    )
