"""The prefix tree of many texts, level by level, so that a common prefix is read only once."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnn_infer.text.ragged import Ragged, Tokens

DEPTH = 16
"""Levels of the tree, at most. Texts with longer common prefixes are rare."""
_LEAST_ROWS, _LEAST_SHARE = 64, 0.5
"""A level needs a call of its own. It must save at least so many steps, and such a share of all."""

Places = NDArray[np.int64]
"""Positions in another array."""


@dataclass(frozen=True)
class Level:
    """The nodes at one depth. A node stands for all texts with the same prefix of that length."""

    tokens: Tokens
    """[nodes]: the last token of the prefix."""
    parents: Places
    """[nodes]: the node on the level above. On the first level all are 0."""
    nodes: Places
    """[texts]: the node of each text. It has no meaning for texts that ended on a level above."""
    ended: Places
    """The texts that end on this level."""


class PrefixTree:
    """The prefix tree of some texts. Equal texts of up to `DEPTH` tokens count as one."""

    def __init__(self, texts: Ragged, rows: Places) -> None:
        """Build the tree of the texts `rows` (at least one) of `texts`."""
        depth = min(DEPTH, int(texts.lengths[rows].max()))
        lengths, time = texts.lengths[rows], np.arange(depth)
        window = texts.tokens.take(texts.starts[rows][:, None] + time, mode="clip")
        # Token + 1, so that 0 marks the end of a text, and a shorter text sorts first.
        window += 1
        window *= time < lengths[:, None]
        order = _sorted(window)
        window, lengths = window[order], lengths[order]
        same = window[1:] == window[:-1]
        common = np.where(same.all(1), depth, same.argmin(1))
        own = np.concatenate([[True], (common < depth) | (lengths[1:] > depth)])
        self.rows: Places = rows[order][own]
        """The distinct texts, sorted: places in the `texts` given."""
        self.copies: tuple[Places, Places] = rows[order], np.cumsum(own) - 1
        """All rows given, and for each its place in `self.rows`."""
        self.lengths: Places = lengths[own]
        """The lengths of the distinct texts."""
        self._window = window[own] - 1
        # The length of the common prefix of each text and the one before it. (A copy shares all
        # tokens with the text before it, so leaving it out changes nothing for the next text.)
        self._common = np.concatenate([[0], common])[own]

    def levels(self) -> Iterator[Level]:
        """Yield the levels from the first token on, as long as a level saves enough steps."""
        nodes: Places = np.zeros(len(self.rows), np.int64)
        for depth, tokens in enumerate(self._window.T):
            going = self.lengths > depth
            opens = going & (self._common <= depth)
            first = np.flatnonzero(opens)
            rows = int(np.count_nonzero(going))
            if rows - len(first) < max(_LEAST_ROWS, _LEAST_SHARE * rows):
                return
            parents = nodes[first]
            # The texts are sorted, so texts with a common prefix are neighbours.
            nodes = np.cumsum(opens) - 1
            yield Level(tokens[first], parents, nodes, np.flatnonzero(self.lengths == depth + 1))


def _sorted(window: Tokens) -> Places:
    """Return the lexicographic order of rows [rows, depth]."""
    kind = np.min_scalar_type(int(window.max())).newbyteorder(">")
    # A row becomes one string of big-endian bytes, which numpy compares at once.
    keys = np.ascontiguousarray(window.astype(kind)).view(f"S{window.shape[1] * kind.itemsize}")
    order: Places = np.argsort(keys[:, 0], kind="stable")
    return order
