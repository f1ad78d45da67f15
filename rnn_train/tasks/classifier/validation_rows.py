"""Held-out rows of the validations during training: a fixed sample, if they are many or long."""

import numpy as np

from rnn_train.data.encoded_rows import EncodedRows
from rnn_train.data.row_reader import MARKS

_ROWS, _TOKENS = 10_000, 1_000_000
"""The most rows, and about the most characters, of a validation during training."""
_LOGITS = 1 << 24
"""The most logits of it: of more than 1,677 labels, fewer rows are read."""


def held_out_share(rows: EncodedRows) -> float:
    """Returns how many times as long as a validation it takes to read all held-out rows."""
    sample = validation_sample(rows)
    tokens = [each.lengths.sum() + MARKS * len(each) for each in (rows, sample)]
    return float(tokens[0] / max(1, tokens[1]))


def validation_sample(rows: EncodedRows) -> EncodedRows:
    """Returns held-out rows, or a fixed sample of them if they are many or long."""
    most = min(_ROWS, max(1, _LOGITS // max(1, len(rows.names))))
    order = np.random.default_rng(0).permutation(len(rows))[:most]
    fitting = np.cumsum(rows.lengths[order]) <= _TOKENS
    if len(order) == len(rows) and fitting.all():
        return rows
    # One row at least, however long it is.
    return rows.take(np.sort(order[: max(1, int(fitting.sum()))]))
