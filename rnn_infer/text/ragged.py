"""Token sequences of different lengths in one array."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.int64]
"""Indices into the vocabulary."""


@dataclass(frozen=True)
class Ragged:
    """Rows of tokens, stored one after another."""

    tokens: Tokens
    """All rows, [sum of the lengths]."""
    lengths: NDArray[np.int64]
    """The length of each row, [rows]."""

    @classmethod
    def of(cls, rows: Sequence[Tokens]) -> Self:
        """Make it from arrays, each [time]."""
        lengths = np.array([len(row) for row in rows], np.int64)
        return cls(np.concatenate(rows) if rows else np.empty(0, np.int64), lengths)

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """The position in `tokens` where each row starts, [rows]."""
        return np.cumsum(self.lengths) - self.lengths

    def between(self, before: Tokens, after: Tokens) -> "Ragged":
        """Return the rows with the tokens `before` [time] and `after` [time] around each."""
        lengths = self.lengths + len(before) + len(after)
        longer = Ragged(np.empty(int(lengths.sum()), np.int64), lengths)
        starts = longer.starts
        shift = starts + len(before) - self.starts
        longer.tokens[np.arange(len(self.tokens)) + np.repeat(shift, self.lengths)] = self.tokens
        longer.tokens[starts[:, None] + np.arange(len(before))] = before
        ends = starts + lengths - len(after)
        longer.tokens[ends[:, None] + np.arange(len(after))] = after
        return longer

    def window(self, rows: NDArray[np.int64], begin: int, size: int) -> Tokens:
        """Return the tokens `begin` to `begin + size` of some rows, [rows, size].

        Past the end of a row the token is 0.
        """
        time = np.arange(begin, begin + size)
        places = self.starts[rows][:, None] + time
        inside = time < self.lengths[rows][:, None]
        return np.where(inside, self.tokens[np.where(inside, places, 0)], 0)
