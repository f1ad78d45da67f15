"""Stop texts: find the first one in a text that comes in pieces."""

from collections.abc import Sequence
from typing import NamedTuple

from rnn_infer.errors import OptionError


class Scanned(NamedTuple):
    """The result of one piece of text."""

    text: str
    """The text that can be returned now. An end that may be the start of a stop text is held
    back."""
    stopped: str | None
    """The stop text that was found, or None."""
    used: int
    """Characters of the piece up to the end of the stop text. All of them if none was found."""


class StopScanner:
    """Looks for stop texts in one stream. The result does not depend on how the text is cut.

    Args:
        stops: one stop text, or several.

    Raises:
        OptionError: a stop text is empty.
    """

    def __init__(self, stops: str | Sequence[str]) -> None:
        self._stops = (stops,) if isinstance(stops, str) else tuple(stops)
        if not all(self._stops):
            raise OptionError("a stop text is empty; leave it out")
        self._held = ""

    def scan(self, piece: str) -> Scanned:
        """Take the next piece of text."""
        text = self._held + piece
        found = [
            (at + len(stop), -len(stop), stop)
            for stop in self._stops
            if (at := text.find(stop)) >= 0
        ]
        if found:  # the stop text that ends first; of several, the longest
            end, _, stop = min(found)
            used = end - len(self._held)
            self._held = ""
            return Scanned(text[: end - len(stop)], stop, used)
        keep = self._started(text)
        self._held = text[len(text) - keep :]
        return Scanned(text[: len(text) - keep], None, len(piece))

    def rest(self) -> str:
        """Return the text that was held back. Call it when no more text comes."""
        held, self._held = self._held, ""
        return held

    def _started(self, text: str) -> int:
        """Return the length of the longest end of `text` that is the start of a stop text."""
        longest = max((len(stop) for stop in self._stops), default=1) - 1
        for size in range(min(longest, len(text)), 0, -1):
            if any(stop.startswith(text[-size:]) for stop in self._stops):
                return size
        return 0
