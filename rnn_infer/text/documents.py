"""Texts of a model of documents, cut where a document ends: each is read from the zero state."""

import itertools

import numpy as np
from numpy.typing import NDArray

from rnn_infer.text.ragged import Ragged, Tokens


def from_last_document(tokens: Tokens, mark: int) -> Tokens:
    """Return the tokens of the last document in a text, with the mark before it.

    Args:
        tokens: [time]. The first document may lack its mark.
        mark: the token between documents.
    """
    marks = np.flatnonzero(tokens == mark)
    return tokens[marks[-1] :] if len(marks) else np.concatenate([[mark], tokens])


def cut(texts: Ragged, mark: int) -> tuple[Ragged, NDArray[np.int64]]:
    """Cut texts into documents.

    Args:
        texts: token sequences of any lengths. A text that lacks a mark at its start gets one.
        mark: the token between documents.

    Returns:
        The documents, each with the mark before it and the mark after it, if there is one; and for
        each the text that it belongs to, [documents].
    """
    found: list[Tokens] = []
    owners: list[int] = []
    for owner, (start, length) in enumerate(zip(texts.starts, texts.lengths, strict=True)):
        tokens = texts.tokens[start : start + length]
        if not length or tokens[0] != mark:
            tokens = np.concatenate([[mark], tokens])
        edges = [0, *(np.flatnonzero(tokens[1:-1] == mark) + 1).tolist(), len(tokens) - 1]
        pieces = [tokens[a : b + 1] for a, b in itertools.pairwise(edges) if b > a]
        found += pieces
        owners += [owner] * len(pieces)
    return Ragged.of(found), np.array(owners, np.int64)
