"""Tokens and labels of a classifier."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnn_train.data.corpus import UNKNOWN
from rnn_train.data.labelled import Rows, normal

BEGIN, END = "\x02", "\x03"
"""Marks around each text: Unicode\'s own "start of text" and "end of text"."""


@dataclass(frozen=True)
class Alphabet:
    """Tokens and labels of a classifier."""

    vocabulary: tuple[str, ...]
    labels: tuple[str, ...]

    @classmethod
    def of(cls, rows: Rows) -> "Alphabet":
        """All characters and labels of training rows, and the marks."""
        characters = set("".join(map(normal, rows.texts))) | {BEGIN, END, UNKNOWN}
        return cls(tuple(sorted(characters)), tuple(sorted(set(rows.labels))))

    @property
    def unknown(self) -> int:
        """Token of a character that the training rows lack."""
        return self.vocabulary.index(UNKNOWN)

    def encode(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """Tokens of each text, between the marks."""
        table = {char: token for token, char in enumerate(self.vocabulary)}
        unknown = self.unknown
        return [
            np.array([table.get(char, unknown) for char in BEGIN + normal(text) + END])
            for text in texts
        ]

    def log_prior(self, rows: Rows) -> tuple[float, ...]:
        """Log of each label's share of `rows`."""
        counts = Counter(rows.labels)
        return tuple(float(np.log(counts[label] / len(rows))) for label in self.labels)


def pad(texts: Sequence[NDArray[np.int64]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Tokens [batch, longest], zeros after each end, and lengths [batch]."""
    lengths = [len(tokens) for tokens in texts]
    padded = np.zeros((len(texts), max(lengths)), np.int64)
    for row, tokens in zip(padded, texts, strict=True):
        row[: len(tokens)] = tokens
    return torch.from_numpy(padded).to(device), torch.tensor(lengths, device=device)


def label_indices(rows: Rows, alphabet: Alphabet) -> NDArray[np.int64]:
    """Index in `alphabet.labels` of each row's label, [rows]."""
    index = {label: i for i, label in enumerate(alphabet.labels)}
    return np.array([index[label] for label in rows.labels], np.int64)
