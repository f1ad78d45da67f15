"""Labelled texts in memory."""

import hashlib
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

NORMALIZATION: Literal["NFC"] = "NFC"
"""Unicode normalization form in which a classifier reads texts. Two texts with the same normal form
are the same text."""


def normal(text: str) -> str:
    """Normalizes a text as a classifier does before it reads it."""
    return unicodedata.normalize(NORMALIZATION, text)


def text_keys(texts: Iterable[str]) -> NDArray[np.uint64]:
    """Returns one number for each text: equal texts have equal numbers, and others differ, but for
    a chance of one in 2**64 for each pair.

    Args:
        texts: in normal form.
    """
    keys = b"".join(hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts)
    return np.frombuffer(keys, np.uint64)


@dataclass(frozen=True)
class Rows:
    """Labelled texts. Text i has label i."""

    texts: tuple[str, ...]
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)

    def sha256(self) -> str:
        """Returns a hash of all rows. It depends on their order."""
        digest = hashlib.sha256()
        for text, label in zip(self.texts, self.labels, strict=True):
            digest.update(f"{text}\0{label}\n".encode())
        return digest.hexdigest()

    def plus(self, other: "Rows") -> "Rows":
        """Returns these rows, followed by the other ones."""
        return Rows(self.texts + other.texts, self.labels + other.labels)

    def take(self, chosen: Sequence[int]) -> "Rows":
        """Returns the rows at some indices, in that order."""
        return Rows(tuple(self.texts[i] for i in chosen), tuple(self.labels[i] for i in chosen))
