"""Held-out rows that a model is measured on: a fixed sample, if they are many or long."""

import numpy as np
from numpy.typing import NDArray

from rnn_train.data.encoded_rows import EncodedRows
from rnn_train.data.row_reader import MARKS

_ROWS, _TOKENS = 10_000, 1_000_000
"""The most rows, and about the most characters, of a validation during training."""
_LOGITS = 1 << 24
"""The most logits of it: of more than 1,677 labels, fewer rows are read."""
LOSS_ROWS = 2_000
"""The most rows that are read to measure the loss of a file."""
_TOKENS_A_SECOND, _LOGITS_A_SECOND = 20_000, 200_000
"""Characters and logits of a finished model's measurement for each second of the minutes: they take
some 5 and 10 % of them."""


def validation_sample(rows: EncodedRows) -> EncodedRows:
    """Returns held-out rows, or a fixed sample of them if they are many or long."""
    most = min(_ROWS, max(1, _LOGITS // max(1, len(rows.names))))
    return _sample(rows, most, _TOKENS)


def measured_sample(rows: EncodedRows, labels: int, minutes: float | None) -> EncodedRows:
    """Returns the held-out rows that a finished model is measured on: all, or a fixed sample if the
    minutes are few for them.

    Args:
        rows: that are held out.
        labels: number of labels.
        minutes: budget of the run; None: it has no limit in minutes.
    """
    if minutes is None:
        return rows
    logits = max(_LOGITS, int(60 * minutes * _LOGITS_A_SECOND))
    tokens = max(_TOKENS, int(60 * minutes * _TOKENS_A_SECOND))
    return _sample(rows, max(1, logits // labels), tokens)


def token_count(rows: EncodedRows) -> int:
    """Returns the number of all tokens of rows, with their marks."""
    return int(rows.lengths.sum()) + MARKS * len(rows)


def loss_sample(rows: EncodedRows) -> EncodedRows:
    """Returns the rows that are read to measure the loss of a file, in random order."""
    return rows.take(_drawn(rows, LOSS_ROWS, _TOKENS))


def _sample(rows: EncodedRows, most: int, tokens: int) -> EncodedRows:
    """Returns rows, or a fixed sample of them with so many rows and characters at most."""
    drawn = _drawn(rows, most, tokens)
    return rows if len(drawn) == len(rows) else rows.take(np.sort(drawn))


def _drawn(rows: EncodedRows, most: int, tokens: int) -> NDArray[np.int64]:
    """Returns the places of a fixed sample, in random order. It is one row at least, however long
    that is."""
    order = np.random.default_rng(0).permutation(len(rows))[:most]
    fitting = int((np.cumsum(rows.lengths[order]) <= tokens).sum())
    return order[: max(1, fitting)]
