"""Other forms of an unknown character that a vocabulary knows: composed, decomposed, folded."""

import unicodedata
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

_MOST_ACCENTS = 30
"""Accents of one character. No language has more (Stream-Safe Text Format, Unicode Standard Annex
15)."""


class KnownForms:
    """Finds the known forms of unknown characters.

    Args:
        knows: whether all characters of a text are known.
    """

    def __init__(self, knows: Callable[[str], bool]) -> None:
        self._knows = knows

    def replaced(self, text: str, places: NDArray[np.intp]) -> str:
        """Return a text with canonically equal forms in place of unknown characters, where known.

        The forms are the composed one (é for e and an accent) and the decomposed one (Unicode
        Standard Annex 15).

        Args:
            text: a normalised text.
            places: of its unknown characters, in order.
        """
        pieces, done, seen = [], 0, 0
        form_of = cache(self._form)  # the same few characters come again and again
        for place in places.tolist():
            if place < seen:
                continue
            begin, seen = _cluster(text, place)
            form = form_of(text[begin:seen])
            if form is not None and begin >= done:
                pieces += [text[done:begin], form]
                done = seen
        return "".join([*pieces, text[done:]])

    def possible(self, text: str, places: NDArray[np.intp]) -> bool:
        """Return whether an unknown character may have a known form.

        Arguments: as in `replaced`.
        """
        at = places.tolist()
        after = {text[place + 1] for place in at if place + 1 < len(text)}
        chars = {text[place] for place in at}
        return any(map(_is_extending, chars | after)) or any(map(self._form, chars))

    def first_without(self, text: str, places: NDArray[np.intp]) -> int:
        """Return the first place of a character without a known form. There must be one."""
        form_of = cache(self._form)
        at: list[int] = places.tolist()
        return next(each for each in at if form_of(text[slice(*_cluster(text, each))]) is None)

    def fold(self, char: str) -> str:
        """Return the nearest text of known characters, or an empty text.

        Tried in turn: the compatibility form without accents, that form in the other cases, and
        the character in the other cases.
        """
        decomposed = unicodedata.normalize("NFKD", char)
        bare = "".join(c for c in decomposed if not unicodedata.combining(c))
        for candidate in (bare, bare.lower(), bare.upper(), char.lower(), char.upper()):
            if candidate and self._knows(candidate):
                return candidate
        return ""

    def _form(self, cluster: str) -> str | None:
        """Return the known form of a character with its accents, or None."""
        for name in ("NFC", "NFD"):
            form = unicodedata.normalize(name, cluster)
            if self._knows(form):
                return form
        return None


def _cluster(text: str, place: int) -> tuple[int, int]:
    """Return begin and end of the character at a place, with the accents that follow its base.

    Accents further away than `_MOST_ACCENTS` do not count: the work stays linear in the text.
    """
    begin, end = place, place + 1
    first, last = max(0, place - _MOST_ACCENTS), min(len(text), end + _MOST_ACCENTS)
    while begin > first and _is_extending(text[begin]):
        begin -= 1
    while end < last and _is_extending(text[end]):
        end += 1
    return begin, end


def _is_extending(char: str) -> bool:
    """Return whether a character joins the one before it: an accent, or a vowel of Hangul."""
    return unicodedata.combining(char) != 0 or "\u1160" <= char <= "\u11ff"
