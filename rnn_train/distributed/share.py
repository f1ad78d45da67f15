"""The share of a batch that one process computes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """Every `size`-th row of a batch. So rows that are sorted by length are shared out evenly."""

    rank: int = 0
    """Number of the process, which is also its first row."""
    size: int = 1
    """Number of processes."""

    @property
    def rows(self) -> slice:
        """The rows."""
        return slice(self.rank, None, self.size)


WHOLE = Share()
"""All rows."""
