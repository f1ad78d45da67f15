"""A text cut into parallel streams, read window by window."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Reader = Callable[[int, int], NDArray[Any]]
"""Items from a start to an end."""


class Ring(Protocol):
    """Items [characters, ...], the first of which follows the last."""

    def __len__(self) -> int: ...

    def rows(self, starts: NDArray[np.integer], length: int) -> Any:
        """The `length` items from each of some places on, [starts, length, ...]."""


class ArrayRing:
    """`Ring` of an array, as arrays.

    A mapped one is read from its file, where it must begin: pages touched through the map
    would count as this process's memory, up to the whole file.
    """

    def __init__(self, items: NDArray[Any]) -> None:
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    def rows(self, starts: NDArray[np.integer], length: int) -> NDArray[Any]:
        """See `Ring`."""
        with self._reader() as read:
            return np.stack([self._row(read, int(start), length) for start in starts])

    def _row(self, read: Reader, start: int, length: int) -> NDArray[Any]:
        end = start + length
        if end <= len(self._items):
            return read(start, end)
        wrapped: NDArray[Any] = self._items.take(range(start, end), axis=0, mode="wrap")
        return wrapped

    @contextmanager
    def _reader(self) -> Iterator[Reader]:
        items = self._items
        name = items.filename if isinstance(items, np.memmap) else None
        if name is None:
            yield lambda start, end: items[start:end]
            return
        size = items.itemsize * math.prod(items.shape[1:])
        with Path(name).open("rb", buffering=0) as file:

            def read(start: int, end: int) -> NDArray[Any]:
                file.seek(start * size)
                data = np.frombuffer(file.read((end - start) * size), items.dtype)
                return data.reshape(-1, *items.shape[1:])

            yield read


class Streams:
    """A text cut into `batch` parallel streams, read window by window (truncated BPTT).

    In each epoch the cut starts at a random character, so that no character always
    stands at a window's edge; the text is a ring.
    """

    def __init__(self, text: Ring, batch: int, window: int, seed: int) -> None:
        self.text = text
        self._window = window
        self._seed = seed
        self.batch = batch
        self.windows = max(1, (len(text) // batch) // window)
        """Windows an epoch."""

    def over(self, text: Ring) -> "Streams":
        """The same cut of the same text where it lies elsewhere."""
        return Streams(text, self.batch, self._window, self._seed)

    @property
    def characters(self) -> int:
        """Characters a window of all streams."""
        return self.batch * self._window

    def window(self, step: int) -> tuple[Any, bool]:
        """Window number `step` since the start of training.

        Returns:
            Tokens [batch, window + 1], inputs and targets overlapping by one, in the type in which
            the text gives its rows; and whether the window opens an epoch, where the carried state
            is void.
        """
        rows = self.text.rows(self._starts(step), self._window + 1)
        return rows, step % self.windows == 0

    def aligned(self, others: Ring, step: int) -> Any:
        """What stands elsewhere beside the inputs of window `step`, [batch, window, ...]."""
        return others.rows(self._starts(step), self._window)

    def _starts(self, step: int) -> NDArray[np.integer]:
        epoch, place = divmod(step, self.windows)
        length = len(self.text)
        offset = int(np.random.default_rng((self._seed, epoch)).integers(length))
        lanes = np.arange(self.batch) * (length // self.batch)
        starts: NDArray[np.integer] = (offset + lanes + place * self._window) % length
        return starts
