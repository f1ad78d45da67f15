"""Reading texts of different lengths in one batch, in calls that need bounded memory."""

from collections.abc import Sequence

import numpy as np

from rnn_infer.runtime.stepper import State, Stepper
from rnn_infer.text.ragged import Tokens

MAX_CHUNK = 1024
"""Tokens per stream and call, at most."""
_CHUNK_LOGITS = 2**22
"""Logits per call, about."""


def read_ragged(stepper: Stepper, state: State, texts: Sequence[Tokens]) -> State:
    """Read one text per row, and return the state after it.

    The rows are read together up to the end of the shortest, then the remaining ones, and so on.
    So nothing is padded.

    Args:
        stepper: the open model.
        state: the state before the texts.
        texts: one array [time] per row. Lengths may differ and may be 0.
    """
    lengths = np.array([len(tokens) for tokens in texts])
    chunk = chunk_length(stepper, len(texts))
    done = 0
    while (rows := np.flatnonzero(lengths > done)).size:
        until = min(int(lengths[rows].min()), done + chunk)
        tokens = np.stack([texts[row][done:until] for row in rows.tolist()])
        after = stepper.consume(tokens, tuple(each[rows] for each in state))
        if len(rows) == len(texts):
            state = after
        else:
            state = tuple(each.copy() for each in state)
            for whole, part in zip(state, after, strict=True):
                whole[rows] = part
        done = until
    return state


def chunk_length(stepper: Stepper, batch: int) -> int:
    """Return how many tokens to read per call, so that the logits do not take too much memory."""
    return max(1, min(MAX_CHUNK, _CHUNK_LOGITS // (stepper.file.metadata.outputs * batch)))
