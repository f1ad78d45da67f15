"""A table of recurrent states: one row per stream, rows in use and rows free."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rnn_infer.runtime.stepper import State, Stepper

NOTHING_READ = -1
"""The pending token of a row that has read no text."""
_FIRST_ROWS = 16


class StateTable:
    """Rows of state that grow with the number of streams. It has no lock of its own."""

    def __init__(self, stepper: Stepper) -> None:
        self._state: State = stepper.zeros(_FIRST_ROWS)
        self._pending = np.full(_FIRST_ROWS, NOTHING_READ, np.int64)
        self._free = list(range(_FIRST_ROWS))[::-1]

    def __len__(self) -> int:
        """Rows in use."""
        return len(self._pending) - len(self._free)

    def allocate(self) -> int:
        """Return a free row, reset to the zero state with nothing read."""
        if not self._free:
            self._grow()
        row = self._free.pop()
        for each in self._state:
            each[row] = 0
        self._pending[row] = NOTHING_READ
        return row

    def free(self, row: int) -> None:
        """Mark a row as free."""
        self._free.append(row)

    def gather(self, rows: Sequence[int]) -> tuple[State, NDArray[np.int64]]:
        """Return copies of some rows: the state [rows, width], and the pending tokens [rows].

        The pending token is the last one of a stream. The state has not read it yet.
        """
        return tuple(each[rows] for each in self._state), self._pending[rows]

    def scatter(self, rows: Sequence[int], state: State, pending: NDArray[np.int64]) -> None:
        """Write some rows: the reverse of `gather`."""
        for whole, part in zip(self._state, state, strict=True):
            whole[rows] = part
        self._pending[rows] = pending

    def _grow(self) -> None:
        """Double the number of rows."""
        size = len(self._pending)
        self._state = tuple(np.concatenate([each, np.zeros_like(each)]) for each in self._state)
        self._pending = np.concatenate([self._pending, np.full(size, NOTHING_READ, np.int64)])
        self._free = list(range(size, 2 * size))[::-1]
