"""What several texts begin with, found so that it is read once: their prefix tree, by levels."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnn_infer.text.ragged import Ragged, Tokens

DEPTH = 16
"""Tokens from the start that are compared: those who share more are rare, and long."""
_LEAST_ROWS, _LEAST_SHARE = 64, 0.3
"""A level is worth a call of its own if it spares so many steps, and such a share of all."""

Places = NDArray[np.int64]


@dataclass(frozen=True)
class Level:
    """The tree's nodes at one depth: each stands for one or more texts that are alike so far."""

    tokens: Tokens
    """[nodes], which a node ends with."""
    parents: Places
    """[nodes], on the level above; all 0 on the first."""
    nodes: Places
    """[texts] that each text stands at; nothing to go by for those that were over before."""
    ended: Places
    """Texts that end here."""


class PrefixTree:
    """Of some texts, which are sorted for it; equal ones of up to `DEPTH` tokens count as one."""

    def __init__(self, texts: Ragged, rows: Places) -> None:
        """`rows`: of `texts`, those to take, at least one."""
        depth = min(DEPTH, int(texts.lengths[rows].max()))
        # One more than the token, so that a text which is over sorts first.
        window = texts.window(rows, 0, depth) + 1
        lengths = texts.lengths[rows]
        window[np.arange(depth) >= lengths[:, None]] = 0
        order = _sorted(window)
        window, lengths = window[order], lengths[order]
        same = window[1:] == window[:-1]
        alike = np.where(same.all(1), depth, same.argmin(1))
        own = np.concatenate([[True], (alike < depth) | (lengths[1:] > depth)])
        self.rows: Places = rows[order][own]
        """One of each that are equal, sorted."""
        self.copies: tuple[Places, Places] = rows[order], np.cumsum(own) - 1
        """All rows, and for each its place in `rows`."""
        self.lengths: Places = lengths[own]
        """Of `rows`."""
        self._window = window[own] - 1
        # How many tokens each has in common with the one before it. (A copy has all of them in
        # common with it, so that leaving copies out changes nothing for those after them.)
        self._alike = np.concatenate([[0], alike])[own]

    def levels(self) -> Iterator[Level]:
        """The nodes of one token, of two, and so on, as long as enough is shared for it to pay."""
        nodes: Places = np.zeros(len(self.rows), np.int64)
        for depth, tokens in enumerate(self._window.T):
            going = self.lengths > depth
            opens = going & (self._alike <= depth)
            first = np.flatnonzero(opens)
            rows = int(np.count_nonzero(going))
            if rows - len(first) < max(_LEAST_ROWS, _LEAST_SHARE * rows):
                return
            parents = nodes[first]
            # Sorted texts that are alike so far stand side by side.
            nodes = np.cumsum(opens) - 1
            yield Level(tokens[first], parents, nodes, np.flatnonzero(self.lengths == depth + 1))


def _sorted(window: Tokens) -> Places:
    """The order of rows [rows, depth], by the first place where they differ."""
    kind = np.min_scalar_type(int(window.max())).newbyteorder(">")
    # As strings of bytes, highest first, rows are compared at once.
    keys = np.ascontiguousarray(window.astype(kind)).view(f"S{window.shape[1] * kind.itemsize}")
    order: Places = np.argsort(keys[:, 0], kind="stable")
    return order
