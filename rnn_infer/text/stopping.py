"""Where generation ends: the first of some texts to be completed."""

from collections.abc import Sequence
from typing import NamedTuple

from rnn_infer.errors import OptionError


class Scanned(NamedTuple):
    """What a piece of drawn text brought."""

    text: str
    """What can be given out: nothing that may yet turn out to begin a stop text."""
    stopped: str | None
    """The stop text that was completed."""
    used: int
    """Characters of the piece up to and with the stop text; all without one."""


class StopScanner:
    """Watches one stream's text, piece by piece; how it is cut into pieces changes nothing.

    Raises:
        OptionError: a stop text is empty.
    """

    def __init__(self, stops: str | Sequence[str]) -> None:
        self._stops = (stops,) if isinstance(stops, str) else tuple(stops)
        if not all(self._stops):
            raise OptionError("a stop text is empty; leave it out")
        self._held = ""

    def scan(self, piece: str) -> Scanned:
        """Takes the next piece of text."""
        text = self._held + piece
        found = [
            (at + len(stop), -len(stop), stop)
            for stop in self._stops
            if (at := text.find(stop)) >= 0
        ]
        if found:  # the earliest to be completed; of several, the longest
            end, _, stop = min(found)
            used = end - len(self._held)
            self._held = ""
            return Scanned(text[: end - len(stop)], stop, used)
        keep = self._beginning(text)
        self._held = text[len(text) - keep :]
        return Scanned(text[: len(text) - keep], None, len(piece))

    def rest(self) -> str:
        """What was held back, once no more text comes."""
        held, self._held = self._held, ""
        return held

    def _beginning(self, text: str) -> int:
        """Length of the longest end of `text` that begins a stop text."""
        longest = max((len(stop) for stop in self._stops), default=1) - 1
        for size in range(min(longest, len(text)), 0, -1):
            if any(stop.startswith(text[-size:]) for stop in self._stops):
                return size
        return 0
