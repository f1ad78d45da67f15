"""Batches of labelled texts: which rows a batch has, and their tokens."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnn_train.data.alphabet import BEGIN, END, Alphabet
from rnn_train.data.encoded_rows import EncodedRows

MARKS = 2
"""Tokens of a text besides its characters: a mark at its begin, and one at its end."""
_BUCKET = 50
"""Batches whose rows are sorted by length together: little padding, and still well shuffled."""


class RowReader:
    """Reads texts as padded batches of a model's tokens."""

    def __init__(self, rows: EncodedRows, alphabet: Alphabet) -> None:
        """Prepares the translation of the rows' tokens.

        Args:
            rows: any rows; characters that the alphabet lacks become the unknown token.
            alphabet: of the model.
        """
        self._rows = rows
        token = {char: i for i, char in enumerate(alphabet.vocabulary)}
        unknown = alphabet.unknown
        # One entry more: with no characters at all, padding still needs a token to look up.
        translated = [token.get(char, unknown) for char in rows.characters]
        self._table = np.array([*translated, unknown], np.int64)
        self._tokens = rows.tokens if len(rows.tokens) else np.zeros(1, np.uint8)
        self._begin, self._end = token[BEGIN], token[END]
        self.lengths = rows.lengths + MARKS
        """Tokens of each text, with its marks, [rows]."""

    def read(
        self,
        chosen: NDArray[np.integer],
        begins: NDArray[np.integer] | int = 0,
        longest: int | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Reads texts, or a window of each.

        Args:
            chosen: indices of the rows, [batch].
            begins: place of each window's first token, the mark at the begin is 0; [batch].
            longest: tokens of a window at most; None: all.

        Returns:
            Tokens [batch, time], with zeros after the end of each window; and lengths [batch].
        """
        ends = self.lengths[chosen]
        begin = np.broadcast_to(np.asarray(begins, np.int64), ends.shape)
        lengths = np.clip(ends - begin, 0, longest)
        place = begin[:, None] + np.arange(int(lengths.max(initial=1)))
        where = (self._rows.starts[chosen] - 1)[:, None] + place
        found = self._table[self._tokens[np.clip(where, 0, len(self._tokens) - 1)]]
        found[place == 0] = self._begin
        found[place == (ends - 1)[:, None]] = self._end
        found[place >= (begin + lengths)[:, None]] = 0
        return torch.from_numpy(found), torch.from_numpy(lengths)


class RowBatches:
    """The rows of each step. They follow from the seed and the number of the step.

    Long rows are read in windows: their batch takes one step for each window, in order.
    """

    def __init__(
        self,
        lengths: NDArray[np.integer],
        batch: int,
        tokens: int,
        seed: int,
        window: int | None = None,
    ) -> None:
        """Begins before the first epoch.

        Args:
            lengths: tokens of each row, [rows].
            batch: rows of a batch at most.
            tokens: of a step at most, with padding; but a batch has one row at least.
            seed: of the order.
            window: tokens of a row that one step reads at most; None: all.
        """
        self._lengths = np.asarray(lengths)
        self._window = int(self._lengths.max(initial=1)) if window is None else window
        self._batch, self._tokens, self._seed = batch, tokens, seed
        self._epoch, self._first = -1, 0
        self._steps: list[tuple[NDArray[np.int64], int]] = []
        first = self._shuffled(0)
        self.per_epoch = len(first)
        """Steps of the first epoch. If rows are long, later epochs may have a few more or less."""
        limited = batch * int(np.minimum(self._lengths, self._window).max(initial=0)) > tokens
        begins = sum(number == 0 for _, number in first)
        self._mean: float | None = len(self._lengths) / begins if limited else None
        """Mean rows of a batch. None: all batches have as many, up to the last ones."""

    def rows(self, step: int) -> NDArray[np.int64]:
        """Returns the rows of the batch of a step, counted from the start of training."""
        return self.at(step)[0]

    def at(self, step: int) -> tuple[NDArray[np.int64], int]:
        """Returns the rows of the batch of a step, and the number of its window."""
        if step < self._first:
            self._epoch, self._first, self._steps = -1, 0, []
        while step >= self._first + len(self._steps):
            self._first += len(self._steps)
            self._epoch += 1
            self._steps = self._shuffled(self._epoch)
        return self._steps[step - self._first]

    def weight(self, rows: int) -> float:
        """Returns the weight of a step whose batch has so many rows.

        The limit of tokens leaves a batch of long rows fewer rows than one of short rows. With
        their weights, each row of a table counts the same, whatever its length.
        """
        return 1.0 if self._mean is None else rows / self._mean

    def _shuffled(self, epoch: int) -> list[tuple[NDArray[np.int64], int]]:
        """Returns the steps of one epoch: rows are shuffled, then sorted by length in buckets."""
        random = np.random.default_rng((self._seed, epoch))
        order = random.permutation(len(self._lengths))
        size = self._batch * _BUCKET
        batches: list[NDArray[np.int64]] = []
        for begin in range(0, len(order), size):
            bucket = order[begin : begin + size]
            batches += self._cut(bucket[np.argsort(self._lengths[bucket], kind="stable")])
        shuffled = [batches[i] for i in random.permutation(len(batches))]
        windows = [-(-int(self._lengths[rows[-1]]) // self._window) for rows in shuffled]
        return [
            (rows, number)
            for rows, count in zip(shuffled, windows, strict=True)
            for number in range(count)
        ]

    def _cut(self, rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Cuts rows, sorted by length, into batches."""
        read = np.minimum(self._lengths[rows], self._window)
        if self._batch * read[-1] <= self._tokens:
            return [rows[i : i + self._batch] for i in range(0, len(rows), self._batch)]
        batches, end = [], len(rows)
        while end:
            fitting = self._tokens // int(read[end - 1])
            begin = max(0, end - max(1, min(self._batch, fitting)))
            batches.append(rows[begin:end])
            end = begin
        return batches
