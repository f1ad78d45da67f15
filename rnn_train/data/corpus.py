"""A text as integers on disk: encoded once, memory-mapped, cut into windows where it lies."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnn_infer.contract import MAX_VOCABULARY
from rnn_train.data.sources import TextFile
from rnn_train.errors import DataError
from rnn_train.files import replacing

MIN_CHARACTERS = 1000
MAX_HELD_OUT = 100_000
UNKNOWN = "\N{REPLACEMENT CHARACTER}"
"""Stands in the vocabulary for rare characters, where they are folded."""


@dataclass(frozen=True)
class Corpus:
    """An encoded text."""

    tokens: NDArray[np.integer]
    """[characters], memory-mapped, in the smallest unsigned type that holds the vocabulary."""
    vocabulary: tuple[str, ...]
    unknown: int | None
    """Token of all characters rarer than the limit asked for; None where none was."""
    sha256: str
    """Of the text as UTF-8, after normalisation."""

    def split(self, fraction: float) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
        """The first part to train on and the last `fraction` to hold out (may be empty).

        At most MAX_HELD_OUT characters are held out: more would cost time and tell nothing new.
        """
        held = min(round(len(self.tokens) * fraction), MAX_HELD_OUT)
        return self.tokens[: len(self.tokens) - held], self.tokens[len(self.tokens) - held :]


def build_corpus(files: Sequence[TextFile], path: Path, min_count: int = 1) -> Corpus:
    """Encodes texts, joined in order, into the file `path`. Memory does not grow with them.

    Args:
        files: from `find_texts` or `text_set`.
        path: written whole or not at all.
        min_count: characters seen fewer times become one unknown token.

    Raises:
        DataError: the text is too short, too poor or too rich in characters.
    """
    counts, digest = _count(files)
    names = _names(files)
    _check_length(files, int(counts.sum()), MIN_CHARACTERS)
    rare = (counts > 0) & (counts < min_count)
    codes = np.flatnonzero((counts > 0) & ~rare)
    unknown = None
    if rare.any():
        codes = np.union1d(codes, [ord(UNKNOWN)])
        unknown = int(np.searchsorted(codes, ord(UNKNOWN)))
    if len(codes) < 2:
        raise DataError(f"{names}: the text repeats one character; there is nothing to learn")
    if len(codes) > MAX_VOCABULARY:
        raise DataError(
            f"{names}: {len(codes)} distinct characters, over the limit of {MAX_VOCABULARY}; "
            "fold rare ones with --min-count"
        )
    vocabulary = tuple(map(chr, codes.tolist()))
    _write(files, path, _table(vocabulary, unknown))
    return Corpus(_map(path, len(codes)), vocabulary, unknown, digest)


def open_corpus(path: Path, vocabulary: Sequence[str], unknown: int | None, sha256: str) -> Corpus:
    """Opens what `build_corpus` wrote."""
    return Corpus(_map(path, len(vocabulary)), tuple(vocabulary), unknown, sha256)


def encode_text(
    files: Sequence[TextFile],
    vocabulary: Sequence[str],
    unknown: int | None,
    path: Path,
    least: int = 2,
) -> Corpus:
    """Encodes texts in a vocabulary that stands already, into the file `path`.

    Args:
        unknown: token of characters that the vocabulary lacks; None refuses them.
        path: as in `build_corpus`; memory does not grow with the texts here either.
        least: characters that are needed.

    Raises:
        DataError: they hold characters that the vocabulary lacks (names them), or too few.
    """
    counts, digest = _count(files)
    _check_length(files, int(counts.sum()), least)
    foreign = np.setdiff1d(np.flatnonzero(counts), [ord(char) for char in vocabulary])
    if len(foreign) and unknown is None:
        shown = " ".join(repr(chr(code)) for code in foreign[:10])
        raise DataError(
            f"{_names(files)}: {len(foreign)} characters are not in the model's vocabulary: "
            f"{shown}; remove them, or train a model that knows them (or folds rare characters: "
            "--min-count)"
        )
    _write(files, path, _table(vocabulary, unknown))
    return open_corpus(path, vocabulary, unknown, digest)


def _texts(files: Sequence[TextFile]) -> Iterator[str]:
    for file in files:
        yield from file.chunks()


def _names(files: Sequence[TextFile]) -> str:
    return ", ".join(str(file.path) for file in files[:3]) + (", …" if len(files) > 3 else "")


def _check_length(files: Sequence[TextFile], characters: int, least: int) -> None:
    if characters < least:
        raise DataError(
            f"{_names(files)}: {characters} characters of text; at least {least} are needed"
        )


def _codes(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le"), "<u4")


def _count(files: Sequence[TextFile]) -> tuple[NDArray[np.int64], str]:
    counts = np.zeros(0x110000, np.int64)
    digest = hashlib.sha256()
    for text in _texts(files):
        part = np.bincount(_codes(text))
        counts[: len(part)] += part
        digest.update(text.encode())
    return counts, digest.hexdigest()


def _table(vocabulary: Sequence[str], unknown: int | None) -> NDArray[np.integer]:
    """Token of each code point there is, in the smallest type."""
    table = np.full(0x110000, unknown or 0, _smallest(len(vocabulary)))
    table[[ord(char) for char in vocabulary]] = np.arange(len(vocabulary))
    return table


def _write(files: Sequence[TextFile], path: Path, table: NDArray[np.integer]) -> None:
    with replacing(path) as stream:
        for text in _texts(files):
            stream.write(table[_codes(text)].tobytes())


def _smallest(count: int) -> np.dtype:
    return np.min_scalar_type(count - 1)


def _map(path: Path, count: int) -> NDArray[np.integer]:
    return np.memmap(path, _smallest(count), "r")
