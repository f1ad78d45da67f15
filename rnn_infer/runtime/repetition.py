"""Repetition: which characters would repeat a passage, and how often it occurred."""

import numpy as np
from numpy.typing import NDArray

from rnn_infer.text.ragged import Tokens

CONTEXT = 5
"""A character repeats a passage if it follows the same characters before it, so many."""
WINDOW = 256
"""Repetitions are looked for among so many of the last drawn tokens."""


def add(recent: Tokens, token: int) -> Tokens:
    """Return the last drawn tokens with one more. `recent` is not changed."""
    return np.append(recent[1 - WINDOW :], token)


def repetitions(recent: Tokens, size: int) -> NDArray[np.float32]:
    """Return how often each token followed the context before.

    Args:
        recent: the last drawn tokens, [up to WINDOW].
        size: the size of the vocabulary, n.

    Returns:
        [n]: the number of times that the token came after the same CONTEXT tokens as are now last.
    """
    if len(recent) <= CONTEXT:
        return np.zeros(size, np.float32)
    # The places of the context's last token, then those where the tokens before it agree, too.
    ends = np.flatnonzero(recent[CONTEXT - 1 : -1] == recent[-1]) + CONTEXT - 1
    for back in range(1, CONTEXT):
        ends = ends[recent[ends - back] == recent[-1 - back]]
    return np.bincount(recent[ends + 1], minlength=size).astype(np.float32)
