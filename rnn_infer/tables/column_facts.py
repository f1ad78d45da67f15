"""Facts about a column, from the first rows of a table."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rnn_infer.tables.cells import clean

_FIGURE = re.compile(r"[-+]?[\d.,:/ ]*\d[\d.,:/ ]*(e[-+]?\d+)?%?", re.IGNORECASE)
_DATE = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}([ T].*)?")
_CODE = re.compile(r"(?=[^ ]*\d)[\w.:/@#-]{4,}|https?://\S+")
_MOST = 0.95
"""Share of the cells that makes a column one of figures or of codes."""


@dataclass(frozen=True)
class ColumnFacts:
    """What the cells of a column are like."""

    cells: int
    """Number of cells, the empty ones included."""
    counts: Counter[str]
    """How often each value occurs. Empty cells are left out."""

    @classmethod
    def of(cls, cells: Sequence[str]) -> "ColumnFacts":
        """Collect the facts about cells."""
        return cls(len(cells), Counter(filter(None, map(clean, cells))))

    @property
    def filled(self) -> int:
        """Number of cells that hold something."""
        return self.counts.total()

    @property
    def distinct(self) -> int:
        """Number of different values."""
        return len(self.counts)

    @property
    def length(self) -> float:
        """Mean number of characters of the filled cells."""
        total = sum(len(value) * count for value, count in self.counts.items())
        return total / max(1, self.filled)

    @property
    def words(self) -> float:
        """Mean number of words of the filled cells."""
        total = sum(len(value.split()) * count for value, count in self.counts.items())
        return total / max(1, self.filled)

    @property
    def used(self) -> bool:
        """Whether at least half of the cells hold something."""
        return self.filled * 2 >= self.cells and self.filled > 0

    def share(self, pattern: re.Pattern[str]) -> float:
        """Return the share of the filled cells that match a pattern as a whole."""
        found = sum(n for value, n in self.counts.items() if pattern.fullmatch(value))
        return found / max(1, self.filled)

    @property
    def figures(self) -> bool:
        """Whether the cells are numbers or dates."""
        return self.share(_FIGURE) >= _MOST or self.share(_DATE) >= _MOST

    @property
    def codes(self) -> bool:
        """Whether the cells are identifiers or addresses: no words, and nearly all different."""
        return self.distinct > 0.9 * self.filled and self.share(_CODE) >= _MOST

    @property
    def rank(self) -> int:
        """How far the cells are from texts: 0 words, 1 codes, 2 figures."""
        return 2 if self.figures else int(self.codes)


def is_figure(cell: str) -> bool:
    """Return whether a cell is a number or a date."""
    return bool(_FIGURE.fullmatch(cell) or _DATE.fullmatch(cell))
