"""A contestant of `hosts.speed`: a process that opens a file in an engine and draws on demand."""

import json
import os
import subprocess
import threading
from pathlib import Path
from typing import NamedTuple

from .engines import ENGINES
from .environments import environment
from .run import ONE_THREAD

SECONDS = 120
"""What an answer may take: opening the file included."""


class RefusedError(Exception):
    """The engine does not draw, or not the right characters, or takes too long."""


class Drawn(NamedTuple):
    """An answer."""

    seconds: float
    """What one character took."""
    drawn: list[list[int]]
    """The tokens, [streams, count]."""
    gap: float | None
    """Largest difference of a logit from the file's recorded run, as a share of the largest logit.
    None: an empty graph."""


class Contestant:
    """A running process. Use it as a context manager: it ends the process."""

    def __init__(self, engine: str, path: Path, python: str) -> None:
        racer = Path(__file__).with_name("racer.py")
        self._process = subprocess.Popen(
            [environment(engine, python), racer, ENGINES[engine].script, path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **ONE_THREAD},
        )

    def __enter__(self) -> "Contestant":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def draw(self, streams: int, count: int) -> Drawn:
        """Draws `count` characters of each stream, with the same random numbers in each call.

        Raises:
            RefusedError: see there.
        """
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the process has no pipes")
        watch = threading.Timer(SECONDS, self._process.kill)
        watch.start()
        try:
            print(streams, count, file=self._process.stdin, flush=True)
            for line in self._process.stdout:  # some engines print lines of their own
                if line.startswith("ANSWER "):
                    answer = json.loads(line.removeprefix("ANSWER "))
                    if "refused" in answer:
                        raise RefusedError(answer["refused"])
                    return Drawn(**answer)
        except BrokenPipeError:
            pass
        finally:
            watch.cancel()
        raise RefusedError(f"the process ended, or took more than {SECONDS} s")
