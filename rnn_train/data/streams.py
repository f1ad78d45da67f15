"""Parallel streams of a text, read in windows (truncated BPTT)."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import RawIOBase
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rnn_train.errors import RunError

ALL = slice(None)
"""All streams of a batch."""
_Reader = Callable[[int, int], NDArray[Any]]
"""Returns the items from a start to an end."""


class Ring(Protocol):
    """A sequence of items, one for each character. The first item follows the last one."""

    def __len__(self) -> int:
        """Number of items."""

    def rows(self, starts: NDArray[np.integer], length: int) -> Any:
        """Reads consecutive items from several starts.

        Args:
            starts: index of the first item of each row, [rows].
            length: items of a row.

        Returns:
            [rows, length, ...]: an array or a tensor.
        """


class ArrayRing:
    """A `Ring` whose items are in an array. It returns arrays.

    A memory-mapped array is read from its file, and it must begin at the start of the file. The
    pages that are read through a memory map would count as memory of this process, up to the size
    of the file.
    """

    def __init__(self, items: NDArray[Any]) -> None:
        """Wraps an array [characters, ...]."""
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    def rows(self, starts: NDArray[np.integer], length: int) -> NDArray[Any]:
        """See `Ring`."""
        with self._reader() as read:
            return np.stack([self._row(read, int(start), length) for start in starts])

    def _row(self, read: _Reader, start: int, length: int) -> NDArray[Any]:
        end = start + length
        if end <= len(self._items):
            return read(start, end)
        wrapped: NDArray[Any] = self._items.take(range(start, end), axis=0, mode="wrap")
        return wrapped

    @contextmanager
    def _reader(self) -> Iterator[_Reader]:
        items = self._items
        name = items.filename if isinstance(items, np.memmap) else None
        if name is None:
            yield lambda start, end: items[start:end]
            return
        size = items.itemsize * math.prod(items.shape[1:])
        with Path(name).open("rb", buffering=0) as file:

            def read(start: int, end: int) -> NDArray[Any]:
                file.seek(start * size)
                data = _read(file, (end - start) * size)
                return np.frombuffer(data, items.dtype).reshape(-1, *items.shape[1:])

            yield read


def _read(file: RawIOBase, size: int) -> bytes:
    """Reads all of `size` bytes: the system may give fewer at once.

    Raises:
        RunError: the file has fewer.
    """
    data = file.read(size) or b""
    while len(data) < size:
        if not (more := file.read(size - len(data))):
            raise RunError("the text of the run folder was cut; put it back, or start a new run")
        data += more
    return data


class PartsRing:
    """A `Ring` of some parts of another one, joined."""

    def __init__(self, whole: Ring, parts: NDArray[np.int64]) -> None:
        """Takes parts of a ring of arrays.

        Args:
            whole: the other ring.
            parts: in order, [parts, 2]: the first item of each, and the one after its last.
        """
        self._whole = whole
        self._parts = parts
        self._starts = np.concatenate([[0], np.cumsum(parts[:, 1] - parts[:, 0])])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def rows(self, starts: NDArray[np.integer], length: int) -> NDArray[Any]:
        """See `Ring`."""
        part = np.searchsorted(self._starts, starts, side="right") - 1
        if (starts + length <= self._starts[part + 1]).all():
            places = self._parts[part, 0] + starts - self._starts[part]
            whole: NDArray[Any] = self._whole.rows(places, length)
            return whole
        return np.stack([self._row(int(start), length) for start in starts])

    def _row(self, start: int, length: int) -> NDArray[Any]:
        pieces: list[NDArray[Any]] = []
        while length:
            start %= len(self)
            part = int(np.searchsorted(self._starts, start, side="right")) - 1
            size = min(length, int(self._starts[part + 1]) - start)
            place = self._parts[part, 0] + start - self._starts[part]
            pieces.append(self._whole.rows(np.array([place]), size)[0])
            start, length = start + size, length - size
        return np.concatenate(pieces)


class Streams:
    """A text that is cut into parallel streams of equal length, and read in windows.

    Window after window continues every stream, for truncated BPTT. In each epoch the cut starts at
    another random character, so that the same character is not always at the edge of a window.
    """

    def __init__(self, text: Ring, batch: int, window: int, seed: int) -> None:
        """Cuts a text into streams.

        Args:
            text: the tokens.
            batch: number of streams.
            window: characters of a window, in each stream.
            seed: of the random offsets.
        """
        self.text = text
        self._window = window
        self._seed = seed
        self.batch = batch
        self.windows = max(1, (len(text) // batch) // window)
        """Number of windows in an epoch."""

    def over(self, text: Ring) -> "Streams":
        """Returns the same streams over another copy of the text, for instance on a GPU."""
        return Streams(text, self.batch, self._window, self._seed)

    @property
    def characters(self) -> int:
        """Number of characters in a window, over all streams."""
        return self.batch * self._window

    def window(self, step: int, rows: slice = ALL) -> tuple[Any, bool]:
        """Reads a window.

        Args:
            step: number of the window since the start of training.
            rows: the streams to read.

        Returns:
            Tokens [rows, window + 1], as an array or a tensor: the inputs are all tokens except
            the last, the targets all except the first. And whether the window is the first of an
            epoch: then the state is not carried over.
        """
        tokens = self.text.rows(self._starts(step)[rows], self._window + 1)
        return tokens, step % self.windows == 0

    def aligned(self, others: Ring, step: int, rows: slice = ALL) -> Any:
        """Reads items that belong to the inputs of a window, for instance soft targets.

        Args:
            others: one item for each character of the text.
            step: number of the window.
            rows: the streams to read.

        Returns:
            [rows, window, ...].
        """
        return others.rows(self._starts(step)[rows], self._window)

    def _starts(self, step: int) -> NDArray[np.integer]:
        epoch, number = divmod(step, self.windows)
        length = len(self.text)
        offset = int(np.random.default_rng((self._seed, epoch)).integers(length))
        streams = np.arange(self.batch) * (length // self.batch)
        starts: NDArray[np.integer] = (offset + streams + number * self._window) % length
        return starts
