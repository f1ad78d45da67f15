"""Which parts of a text are held out: some pieces of every file, or some documents.

A single piece at the end of a text is no fair sample: the end may be in another language, or a
table of numbers, and it is the part that what comes next resembles most.
"""

import zlib

import numpy as np
from numpy.typing import NDArray

Parts = NDArray[np.int64]
"""Parts of a text [parts, 2]: the first character of each, and the one after its last."""
MAX_HELD_OUT = 100_000
"""Most characters that are held out. More take time, and hardly change the loss."""
_FEW, _ENOUGH = 4_000, 20_000
"""Characters that are held out by default. So many give a temperature within 2 %, and a loss within
0.03 nats."""
_LARGEST_SHARE, _SMALL_SHARE = 0.1, 0.02
"""Share of a short text, and of a long text, that is held out by default."""
_SHORTEST, _LONGEST, _PIECES = 500, 4_000, 16
"""Characters of a piece, and the number of pieces that is aimed for."""
_BLOCK = 1 << 24


def default_fraction(characters: int) -> float:
    """Returns the share of a text to hold out if the user does not say."""
    wanted = min(max(characters * _SMALL_SHARE, _FEW), _ENOUGH)
    return min(_LARGEST_SHARE, wanted / characters)


def hold_out_pieces(starts: NDArray[np.int64], characters: int, fraction: float) -> Parts:
    """Chooses pieces of a text, spread evenly over every file.

    A file that is too short for a piece of its own passes its share on to the next one.

    Args:
        starts: the first character of each file, [files].
        characters: length of the text.
        fraction: share of the text, but at most `MAX_HELD_OUT` characters.

    Returns:
        The pieces in order. There may be none.
    """
    held = min(round(characters * fraction), MAX_HELD_OUT)
    starts, ends = np.append(0, starts[1:]), np.append(starts[1:], characters)
    largest = int((ends - starts).max())
    shortest = max(1, min(_SHORTEST, held, largest // 2))
    length = min(max(held // _PIECES, _SHORTEST), _LONGEST)
    found: list[tuple[int, int]] = []
    owed = 0  # characters of earlier files, times `characters`
    for begin, end in zip(starts.tolist(), ends.tolist(), strict=True):
        owed += (end - begin) * held
        taken = min(owed // characters, (end - begin) // 2)
        if taken < shortest:
            continue
        owed -= taken * characters
        found += _spread(begin, end, taken, max(1, round(taken / length)))
    return np.array(found, np.int64).reshape(-1, 2)


def _spread(begin: int, end: int, taken: int, count: int) -> list[tuple[int, int]]:
    """Returns `count` pieces of `taken` characters in all, each in the middle of its stretch."""
    pieces = []
    for i in range(count):
        low, high = begin + (end - begin) * i // count, begin + (end - begin) * (i + 1) // count
        size = taken * (i + 1) // count - taken * i // count
        first = low + (high - low - size) // 2
        pieces.append((first, first + size))
    return pieces


def documents_of(tokens: NDArray[np.integer], mark: int) -> Parts:
    """Finds the documents of a text.

    Args:
        tokens: a mark, then documents with a mark after each, [characters].
        mark: its token.

    Returns:
        For each document the place of the mark before it, and of the mark after it.
    """
    places = [
        begin + np.flatnonzero(tokens[begin : begin + _BLOCK] == mark)
        for begin in range(0, len(tokens), _BLOCK)
    ]
    marks = np.concatenate([*places, np.empty(0, np.int64)]).astype(np.int64)
    return np.stack([marks[:-1], marks[1:]], 1)


def hold_out_documents(
    tokens: NDArray[np.integer], documents: Parts, fraction: float
) -> NDArray[np.bool_]:
    """Chooses documents by a hash of their text, so that equal documents are on the same side.

    Args:
        tokens: the text, [characters].
        documents: see `documents_of`.
        fraction: share of the text, but at most `MAX_HELD_OUT` characters.

    Returns:
        Whether each document is held out, [documents].
    """
    held = min(round(len(tokens) * fraction), MAX_HELD_OUT)
    hashes = np.array([zlib.crc32(tokens[a + 1 : b].tobytes()) for a, b in documents], np.int64)
    order = np.argsort(hashes, kind="stable")
    total = np.cumsum((documents[:, 1] - documents[:, 0])[order])
    count = int(np.searchsorted(total, held, side="right"))
    if count == 0:
        return np.zeros(len(documents), np.bool_)
    # Half of the documents at most are held out, and all copies of the last one.
    limit = hashes[order[min(count, len(order) // 2) - 1]] if len(order) > 1 else -1
    chosen: NDArray[np.bool_] = hashes <= limit
    return chosen


def without(parts: Parts, characters: int) -> Parts:
    """Returns the parts of a text that are not in `parts`, which are in order."""
    edges = np.concatenate([[0], parts.ravel(), [characters]]).reshape(-1, 2)
    rest: Parts = edges[edges[:, 0] < edges[:, 1]]
    return rest
