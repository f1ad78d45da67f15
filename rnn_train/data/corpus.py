"""Encoded text on disk. It is encoded once and then memory-mapped."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnn_infer.contract import MAX_VOCABULARY
from rnn_train.data.held_out import MAX_HELD_OUT
from rnn_train.data.joining import Joining
from rnn_train.data.sources import TextFile
from rnn_train.errors import DataError
from rnn_train.files import replacing
from rnn_train.wording import counted

MIN_CHARACTERS = 1000
"""Shortest text to train on."""
UNKNOWN = "\N{REPLACEMENT CHARACTER}"
"""Vocabulary entry that replaces all rare characters (--min-count)."""


@dataclass(frozen=True)
class Corpus:
    """An encoded text and its vocabulary."""

    tokens: NDArray[np.integer]
    """[characters], memory-mapped, in the smallest unsigned type that can hold the vocabulary."""
    vocabulary: tuple[str, ...]
    """Character of each token. A warm start has its own first; otherwise they are sorted."""
    unknown: int | None
    """Token of all rare or unknown characters; None: there is no such token."""
    sha256: str
    """Hash of the text in UTF-8, with LF as line end and without byte order mark."""
    starts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, np.int64))
    """The first character of each file, [files]. An opened file does not know it."""

    def split(self, fraction: float) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
        """Splits the text into a training part and its end, as runs before version 0.1 did.

        Args:
            fraction: share of the text that is held out, but at most `MAX_HELD_OUT` characters.

        Returns:
            The training tokens and the held-out tokens. The second may be empty.
        """
        held = min(round(len(self.tokens) * fraction), MAX_HELD_OUT)
        return self.tokens[: len(self.tokens) - held], self.tokens[len(self.tokens) - held :]


def build_corpus(
    files: Sequence[TextFile], path: Path, min_count: int = 1, joining: Joining | None = None
) -> Corpus:
    """Encodes texts into one file. The use of memory does not depend on their length.

    Args:
        files: the texts, which are joined in this order.
        path: the file. It is complete, or it is not there.
        min_count: characters that occur less often become the unknown token.
        joining: how the files are joined; None: the default.

    Returns:
        The encoded text.

    Raises:
        DataError: a file cannot be read; or the text is too short, or has only one character, or
            has too many different characters.
        RunError: the file cannot be written.
    """
    joining = joining or Joining()
    counts, digest, starts = _count(files, joining)
    names = _names(files)
    _check_length(files, int(counts.sum()), MIN_CHARACTERS)
    rare = (counts > 0) & (counts < min_count)
    if joining.mark:
        rare[ord(joining.mark)] = False
    codes = np.flatnonzero((counts > 0) & ~rare)
    unknown = None
    if rare.any():
        codes = np.union1d(codes, [ord(UNKNOWN)])
        unknown = int(np.searchsorted(codes, ord(UNKNOWN)))
    if len(codes) < 2 and rare.any():
        raise DataError(
            f"{names}: no character occurs {min_count} times, so --min-count folds all into one; "
            "give a smaller --min-count"
        )
    if len(codes) < 2:
        raise DataError(f"{names}: the text repeats one character; use a text with at least two")
    _check_vocabulary(files, len(codes))
    vocabulary = tuple(map(chr, codes.tolist()))
    _write(files, joining, path, _table(vocabulary, unknown), digest)
    return Corpus(_map(path, len(codes)), vocabulary, unknown, digest, starts)


def open_corpus(path: Path, vocabulary: Sequence[str], unknown: int | None, sha256: str) -> Corpus:
    """Opens a file that `build_corpus` or `encode_text` has written.

    Args:
        path: the file.
        vocabulary: see `Corpus`, as are the others.
        unknown: see `Corpus`.
        sha256: see `Corpus`.
    """
    return Corpus(_map(path, len(vocabulary)), tuple(vocabulary), unknown, sha256)


def encode_text(
    files: Sequence[TextFile],
    vocabulary: Sequence[str],
    unknown: int | None,
    path: Path,
    least: int = 2,
    joining: Joining | None = None,
    grow: bool = False,
) -> Corpus:
    """Encodes texts with a given vocabulary into one file.

    The use of memory does not depend on their length.

    Args:
        files: the texts, which are joined in this order.
        vocabulary: character of each token.
        unknown: token of all characters that are not in the vocabulary; None: they are refused.
        path: the file. It is complete, or it is not there.
        least: fewest characters that are accepted.
        joining: how the files are joined; None: the default.
        grow: characters that are not in the vocabulary are added after it.

    Returns:
        The encoded text.

    Raises:
        DataError: a file cannot be read; or the text is too short, or has characters that are not
            in the vocabulary (the message names them).
        RunError: the file cannot be written.
    """
    joining = joining or Joining()
    counts, digest, starts = _count(files, joining)
    _check_length(files, int(counts.sum()), least)
    foreign = np.setdiff1d(np.flatnonzero(counts), [ord(char) for char in vocabulary])
    if grow:
        vocabulary = (*vocabulary, *map(chr, foreign.tolist()))
        _check_vocabulary(files, len(vocabulary))
    elif len(foreign) and unknown is None:
        shown = " ".join(repr(chr(code)) for code in foreign[:10])
        raise DataError(
            f"{_names(files)}: {counted(len(foreign), 'character')} outside the model's "
            f"vocabulary: {shown}; remove them, or train a model on a text that contains them "
            "(or with --min-count, which adds a token for unknown characters)"
        )
    _write(files, joining, path, _table(vocabulary, unknown), digest)
    return Corpus(_map(path, len(vocabulary)), tuple(vocabulary), unknown, digest, starts)


def _names(files: Sequence[TextFile]) -> str:
    return ", ".join(str(file.path) for file in files[:3]) + (", …" if len(files) > 3 else "")


def _check_length(files: Sequence[TextFile], characters: int, least: int) -> None:
    if characters < least:
        raise DataError(
            f"{_names(files)}: {counted(characters, 'character')} of text; at least {least} are "
            "needed"
        )


def _check_vocabulary(files: Sequence[TextFile], size: int) -> None:
    if size > MAX_VOCABULARY:
        raise DataError(
            f"{_names(files)}: {size} distinct characters, over the limit of {MAX_VOCABULARY}; "
            "replace rare ones by the unknown token with --min-count"
        )


def _codes(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le"), "<u4")


def _count(
    files: Sequence[TextFile], joining: Joining
) -> tuple[NDArray[np.int64], str, NDArray[np.int64]]:
    """Counts each code point of the joined text. Returns its hash too, and where files begin."""
    counts = np.zeros(0x110000, np.int64)
    digest = hashlib.sha256()
    starts, length = [], 0
    for text, begins in joining.read(files):
        part = np.bincount(_codes(text))
        counts[: len(part)] += part
        digest.update(text.encode())
        if begins:
            starts.append(length)
        length += len(text)
    return counts, digest.hexdigest(), np.array(starts or [0], np.int64)


def _table(vocabulary: Sequence[str], unknown: int | None) -> NDArray[np.integer]:
    """Returns the token of each Unicode code point, in the smallest type."""
    table = np.full(0x110000, unknown or 0, _smallest(len(vocabulary)))
    table[[ord(char) for char in vocabulary]] = np.arange(len(vocabulary))
    return table


def _write(
    files: Sequence[TextFile],
    joining: Joining,
    path: Path,
    table: NDArray[np.integer],
    sha256: str,
) -> None:
    """Writes the tokens. `sha256` is that of the text as it was when its characters were counted.

    Raises:
        DataError: it has changed since, so that some of its characters have no token.
    """
    digest = hashlib.sha256()
    with replacing(path) as stream:
        for text, _ in joining.read(files):
            digest.update(text.encode())
            stream.write(table[_codes(text)].tobytes())
        if digest.hexdigest() != sha256:
            raise DataError(f"{_names(files)}: has changed while it was read; run again")


def _smallest(count: int) -> np.dtype:
    return np.min_scalar_type(count - 1)


def _map(path: Path, count: int) -> NDArray[np.integer]:
    return np.memmap(path, _smallest(count), "r")
