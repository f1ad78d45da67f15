"""The split of a character model's text into a training side and a held-out side."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnn_train.data.corpus import Corpus
from rnn_train.data.held_out import (
    Parts,
    documents_of,
    hold_out_documents,
    hold_out_pieces,
    without,
)
from rnn_train.files import replacing

_FEW_DOCUMENTS = 10
"""If fewer documents would be held out, pieces of the text are held out instead."""


def choose_pieces(corpus: Corpus, fraction: float, mark: int | None) -> Parts:
    """Chooses what is held out of a text.

    Args:
        corpus: the text.
        fraction: share of it.
        mark: token between documents; None: there are no documents.

    Returns:
        The pieces in order, [pieces, 2].
    """
    if mark is not None:
        documents = documents_of(corpus.tokens, mark)
        chosen = documents[hold_out_documents(corpus.tokens, documents, fraction)]
        if len(chosen) >= _FEW_DOCUMENTS:
            return chosen
    return hold_out_pieces(corpus.starts, len(corpus.tokens), fraction)


def training_parts(tokens: NDArray[np.integer], pieces: Parts, mark: int | None) -> Parts:
    """Returns the parts of a text that are not held out.

    Args:
        tokens: the text, [characters].
        pieces: what is held out.
        mark: token between documents; None: there are no documents.

    Returns:
        [parts, 2]. With documents, one part each: the first character that is read, and the last
        one that is predicted.
    """
    if mark is None:
        return without(pieces, len(tokens))
    documents = documents_of(tokens, mark)
    if not len(pieces):
        return documents
    # A piece that is a whole document begins and ends with a document; another one cuts some.
    touched = np.searchsorted(pieces[:, 1], documents[:, 0], side="right")
    nearest = pieces[np.minimum(touched, len(pieces) - 1)]
    free = (touched == len(pieces)) | (nearest[:, 0] >= documents[:, 1])
    cut = [rest for each in documents[~free] for rest in _rest(each, pieces)]
    parts = np.concatenate([documents[free], np.array(cut, np.int64).reshape(-1, 2)])
    return parts[np.argsort(parts[:, 0])]


def _rest(document: NDArray[np.int64], pieces: Parts) -> list[tuple[int, int]]:
    """Returns what is left of a document without the pieces, at least two characters each."""
    begin, end = map(int, document)
    found = []
    inside = pieces[(pieces[:, 1] > begin) & (pieces[:, 0] < end)]
    for low, high in [*inside.tolist(), (end + 1, end + 1)]:
        if low - 1 > begin:
            found.append((begin, low - 1))
        begin = high
    return found


def joined(tokens: NDArray[np.integer], parts: Parts) -> NDArray[np.integer]:
    """Returns the parts of a text as one array [characters]. A single part is not copied."""
    pieces = [tokens[begin:end] for begin, end in parts.tolist()]
    return pieces[0] if len(pieces) == 1 else np.concatenate([*pieces, tokens[:0]])


def write_pieces(path: Path, pieces: Parts) -> None:
    """Writes held-out pieces to a file.

    Raises:
        RunError: it cannot be written.
    """
    with replacing(path) as stream:
        stream.write(pieces.astype("<i8").tobytes())


def read_pieces(path: Path) -> Parts:
    """Reads what `write_pieces` has written."""
    return np.fromfile(path, "<i8").astype(np.int64).reshape(-1, 2)
