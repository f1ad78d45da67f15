"""Parallel streams of documents: each begins at the start of a window, from the zero state."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_train.data.held_out import Parts
from rnn_train.data.streams import ALL, Ring


class DocumentStreams:
    """Documents in random order, cut into parallel streams and read in windows, for truncated BPTT.

    A window holds characters of one document only. Where a document ends before the window does,
    the rest of the row does not count.
    """

    def __init__(self, text: Ring, documents: Parts, batch: int, window: int, seed: int) -> None:
        """Deals out documents.

        Args:
            text: the tokens.
            documents: the first character that is read of each document (its mark), and the last
                one that is predicted (the next mark), [documents, 2].
            batch: number of streams.
            window: characters of a window, in each stream.
            seed: of the order, which differs in each epoch.
        """
        self.text = text
        self.batch = batch
        self._documents, self._window, self._seed = documents, window, seed
        self._counts = -(-(documents[:, 1] - documents[:, 0]) // window)
        self.windows = max(1, -(-int(self._counts.sum()) // batch))
        """Number of windows in an epoch."""
        self._epoch = -1
        self._places: Parts = np.zeros((0, 2), np.int64)

    def over(self, text: Ring) -> "DocumentStreams":
        """Returns the same streams over another copy of the text, for instance on a GPU."""
        return DocumentStreams(text, self._documents, self.batch, self._window, self._seed)

    def window(self, step: int, rows: slice = ALL) -> tuple[Any, NDArray[np.bool_]]:
        """Reads a window.

        Args:
            step: number of the window since the start of training.
            rows: the streams to read.

        Returns:
            Tokens [rows, window + 1], as an array or a tensor: the inputs are all tokens except
            the last, the targets all except the first. And which streams begin a document,
            [batch]: there the state is not carried over.
        """
        places = self._at(step)
        fresh: NDArray[np.bool_] = places[:, 2].astype(bool)
        return self.text.rows(places[rows, 0] % len(self.text), self._window + 1), fresh

    def counted(self, step: int) -> NDArray[np.int64]:
        """Returns how many characters of each row of a window count, [batch]; the rest does not."""
        lengths: NDArray[np.int64] = self._at(step)[:, 1]
        return lengths

    def aligned(self, others: Ring, step: int, rows: slice = ALL) -> Any:
        """Reads items that belong to the inputs of a window, [rows, window, ...]."""
        return others.rows(self._at(step)[rows, 0] % len(others), self._window)

    def _at(self, step: int) -> NDArray[np.int64]:
        """Returns start, length and freshness of each row, [batch, 3]."""
        epoch, number = divmod(step, self.windows)
        if epoch != self._epoch:
            self._epoch, self._places = epoch, self._deal(epoch)
        rows = self._places[np.arange(self.batch) * self.windows + number].copy()
        rows[:, 2] |= number == 0
        return rows

    def _deal(self, epoch: int) -> NDArray[np.int64]:
        """Returns start, length and freshness of all windows of an epoch, [windows * batch, 3]."""
        order = np.random.default_rng((self._seed, epoch)).permutation(len(self._documents))
        counts = self._counts[order]
        part = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
        begins, ends = (np.repeat(self._documents[order, i], counts) for i in (0, 1))
        starts = begins + part * self._window
        windows = np.zeros((self.windows * self.batch, 3), np.int64)
        windows[: len(starts)] = np.stack(
            [starts, np.minimum(ends - starts, self._window), part == 0], 1
        )
        return windows
