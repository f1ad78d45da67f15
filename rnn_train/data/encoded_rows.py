"""Labelled texts as integers: in memory, or memory-mapped from a run folder."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from rnn_train.data.rows import Rows, normal, text_keys

_BLOCK = 1 << 14
"""Rows that are decoded at once."""
_COUNTED = 1 << 20
"""Tokens that are counted at once."""


@dataclass(frozen=True)
class EncodedRows:
    """Labelled texts. Each text is a piece of one array of tokens.

    Texts to train on are in normal form. The alphabet is that of all rows of a table, so each text
    can be read back exactly. A model has an `Alphabet` of its own.
    """

    characters: tuple[str, ...]
    """Character of each token."""
    names: tuple[str, ...]
    """Name of each label, sorted."""
    tokens: NDArray[np.integer]
    """Tokens of all texts, [characters]."""
    starts: NDArray[np.int64]
    """Place of each text's first token, [rows]."""
    lengths: NDArray[np.int64]
    """Characters of each text, [rows]."""
    indices: NDArray[np.int64]
    """Index in `names` of each text's label, [rows]."""

    @classmethod
    def of(cls, rows: "AnyRows") -> "EncodedRows":
        """Encodes rows in memory, if they are not encoded already."""
        if isinstance(rows, EncodedRows):
            return rows
        texts = [normal(text) for text in rows.texts]
        lengths = np.array([len(text) for text in texts], np.int64)
        codes = np.frombuffer("".join(texts).encode("utf-32-le"), "<u4")
        known, tokens = np.unique(codes, return_inverse=True)
        names = tuple(sorted(set(rows.labels)))
        index = {name: i for i, name in enumerate(names)}
        return cls(
            tuple(map(chr, known.tolist())),
            names,
            tokens.astype(np.min_scalar_type(max(1, len(known)))),
            np.cumsum(lengths) - lengths,
            lengths,
            np.array([index[label] for label in rows.labels], np.int64),
        )

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def texts(self) -> tuple[str, ...]:
        """All texts, in memory."""
        return tuple(self.texts_in_blocks())

    @property
    def labels(self) -> tuple[str, ...]:
        """Name of each text's label, in memory."""
        return tuple(self.names[i] for i in self.indices)

    @property
    def perplexity(self) -> float:
        """Perplexity of the single characters of all rows that share the tokens: so many equally
        frequent characters would be as hard to guess."""
        counts = np.zeros(len(self.characters), np.int64)
        for begin in range(0, len(self.tokens), _COUNTED):
            counts += np.bincount(self.tokens[begin : begin + _COUNTED], minlength=len(counts))
        shares = counts[counts > 0] / max(1, counts.sum())
        return float(np.exp(-np.sum(shares * np.log(shares))))

    def texts_in_blocks(self) -> Iterator[str]:
        """Yields each text. Memory does not grow with the number of rows."""
        codes = np.array([ord(char) for char in self.characters], "<u4")
        for begin in range(0, len(self), _BLOCK):
            block = slice(begin, begin + _BLOCK)
            starts, lengths = self.starts[block], self.lengths[block]
            first, last = int(starts.min()), int((starts + lengths).max())
            pairs = zip(starts.tolist(), lengths.tolist(), strict=True)
            if last - first <= 2 * int(lengths.sum()):  # nearly all of the piece is needed
                whole = codes[self.tokens[first:last]].tobytes().decode("utf-32-le")
                yield from (whole[start - first : start - first + n] for start, n in pairs)
                continue
            for start, length in pairs:
                yield codes[self.tokens[start : start + length]].tobytes().decode("utf-32-le")

    def take(self, chosen: Sequence[int] | NDArray[np.integer]) -> "EncodedRows":
        """Returns the rows at some indices, in that order. The tokens are not copied."""
        rows = np.asarray(chosen, np.int64)
        return replace(
            self,
            starts=self.starts[rows],
            lengths=self.lengths[rows],
            indices=self.indices[rows],
        )

    def plus(self, other: "AnyRows") -> Rows:
        """Returns these rows, followed by the other ones, in memory."""
        return Rows(self.texts + other.texts, self.labels + other.labels)

    def used_characters(self) -> set[str]:
        """Returns the characters that occur in these rows."""
        counts = np.zeros(len(self.characters), np.int64)
        for begin in range(0, len(self), _BLOCK):
            block = slice(begin, begin + _BLOCK)
            starts, lengths = self.starts[block], self.lengths[block]
            for first, last in _runs(starts, lengths):
                counts += np.bincount(self.tokens[first:last], minlength=len(counts))
        return {self.characters[i] for i in np.flatnonzero(counts)}

    def label_counts(self) -> NDArray[np.int64]:
        """Returns the number of rows of each label, [labels]."""
        return np.bincount(self.indices, minlength=len(self.names))

    def keys(self) -> NDArray[np.uint64]:
        """Returns one number for each text, the same for texts of one normal form, [rows]."""
        texts, found = self.texts_in_blocks(), np.empty(len(self), np.uint64)
        for begin in range(0, len(self), _BLOCK):
            found[begin : begin + _BLOCK] = text_keys(map(normal, islice(texts, _BLOCK)))
        return found

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Yields text and label of each row. Memory does not grow with the number of rows."""
        for text, index in zip(self.texts_in_blocks(), self.indices, strict=True):
            yield text, self.names[index]

    def sha256(self) -> str:
        """Returns a hash of all rows. It depends on their order."""
        digest = hashlib.sha256()
        rows = zip(self.texts_in_blocks(), self.indices.tolist(), strict=True)
        while block := [f"{text}\0{self.names[index]}\n" for text, index in islice(rows, _BLOCK)]:
            digest.update("".join(block).encode())
        return digest.hexdigest()


AnyRows = Rows | EncodedRows
"""Labelled texts, encoded or not."""


def _runs(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Yields first and last place of each run of texts that follow one another without a gap."""
    if not len(starts):
        return
    ends = starts + lengths
    breaks = np.flatnonzero(starts[1:] != ends[:-1]) + 1
    firsts = starts[np.concatenate([[0], breaks])]
    lasts = ends[np.concatenate([breaks - 1, [len(starts) - 1]])]
    for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True):
        # A piece at a time, because one text may be as long as a book.
        for begin in range(first, last, _BLOCK):
            yield begin, min(begin + _BLOCK, last)
