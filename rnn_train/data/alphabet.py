"""Alphabet of a classifier: its characters, its labels, and how texts are encoded and padded."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnn_train.data.corpus import UNKNOWN
from rnn_train.data.encoded_rows import AnyRows, EncodedRows
from rnn_train.data.rows import normal

BEGIN, END = "\x02", "\x03"
"""Marks around each text: the Unicode characters "start of text" and "end of text"."""


@dataclass(frozen=True)
class Alphabet:
    """Characters and labels of a classifier."""

    vocabulary: tuple[str, ...]
    """Character of each token."""
    labels: tuple[str, ...]
    """Name of each label."""

    @classmethod
    def of(cls, rows: AnyRows) -> "Alphabet":
        """Collects all characters and labels of training rows, and adds the marks."""
        rows = EncodedRows.of(rows)
        characters = rows.used_characters() | {BEGIN, END, UNKNOWN}
        labels = (rows.names[i] for i in np.flatnonzero(rows.label_counts()))
        return cls(tuple(sorted(characters)), tuple(labels))

    def with_rows(self, rows: AnyRows) -> "Alphabet":
        """Returns this alphabet, followed by the characters and labels of `rows` that are new."""
        other = Alphabet.of(rows)
        return Alphabet(
            self.vocabulary + tuple(c for c in other.vocabulary if c not in self.vocabulary),
            self.labels + tuple(each for each in other.labels if each not in self.labels),
        )

    @property
    def unknown(self) -> int:
        """Token of all characters that are not in the training rows."""
        return self.vocabulary.index(UNKNOWN)

    def encode(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """Encodes texts.

        Args:
            texts: any texts; they are normalized first.

        Returns:
            For each text its tokens [characters + 2]: begin mark, characters, end mark.
        """
        table = {char: token for token, char in enumerate(self.vocabulary)}
        unknown = self.unknown
        return [
            np.array([table.get(char, unknown) for char in BEGIN + normal(text) + END])
            for text in texts
        ]

    def known(self, texts: Iterable[str]) -> NDArray[np.float64]:
        """Returns the share of each text's characters that are in the vocabulary, [texts]."""
        known = set(self.vocabulary) - {UNKNOWN}
        shares = (
            sum(char in known for char in text) / max(1, len(text)) for text in map(normal, texts)
        )
        return np.fromiter(shares, np.float64)

    def log_prior(self, rows: AnyRows) -> tuple[float, ...]:
        """Computes the log of each label's share of `rows`, [labels].

        A label that does not occur, which only a model of earlier rows has, counts as half a row.
        """
        rows = EncodedRows.of(rows)
        counts = dict(zip(rows.names, rows.label_counts().tolist(), strict=True))
        return tuple(
            float(np.log(max(counts.get(label, 0), 0.5) / len(rows))) for label in self.labels
        )


def pad(texts: Sequence[NDArray[np.int64]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Makes one batch of texts.

    Args:
        texts: tokens of each text, at least one text.
        device: where the batch is put.

    Returns:
        Tokens [batch, longest], with zeros after the end of each text; and lengths [batch].
    """
    lengths = [len(tokens) for tokens in texts]
    padded = np.zeros((len(texts), max(lengths)), np.int64)
    for row, tokens in zip(padded, texts, strict=True):
        row[: len(tokens)] = tokens
    return torch.from_numpy(padded).to(device), torch.tensor(lengths, device=device)


def label_indices(rows: AnyRows, alphabet: Alphabet) -> NDArray[np.int64]:
    """Returns the index in `alphabet.labels` of each row's label, [rows].

    Raises:
        KeyError: the alphabet does not have a label.
    """
    index = {label: i for i, label in enumerate(alphabet.labels)}
    if isinstance(rows, EncodedRows):
        places = np.full(len(rows.names), -1, np.int64)
        for i in np.flatnonzero(rows.label_counts()):
            places[i] = index[rows.names[i]]
        return places[rows.indices]
    return np.array([index[label] for label in rows.labels], np.int64)
