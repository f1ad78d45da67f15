"""Rows that a classifier is evaluated on."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from rnn_infer.labelling import Labeller
from rnn_infer.tables.options import TableOptions
from rnn_infer.text.vocabulary import Unknown, Vocabulary
from rnn_train.data.encoded_rows import EncodedRows
from rnn_train.data.row_store import stored_rows
from rnn_train.data.row_stream import RowStream
from rnn_train.errors import DataError
from rnn_train.progress import Log
from rnn_train.tasks.memory import check_logits

_BLOCK = 1 << 14
"""Texts that are in memory at once."""


@contextmanager
def evaluated_rows(
    sources: Sequence[str],
    table: TableOptions | None,
    labels: Sequence[str],
    log: Log,
    normalized: bool = True,
) -> Iterator[EncodedRows]:
    """Reads the rows for a model, and opens them for a `with` statement.

    Args:
        sources, table: see `RowStream`.
        labels: of the model.
        log: takes a line about each source, and warnings.
        normalized: see `stored_rows`.

    Raises:
        DataError: the rows cannot be read, there are none, or the model lacks a label of them.
        RunError: the disk has no room for them, or the memory none for their logits.
    """
    stream = RowStream(sources, table, labels)
    with stored_rows(sources[0], stream, normalized) as rows:
        for line in stream.report():
            log(line)
        if new := sorted(set(rows.names) - set(labels))[:5]:
            raise DataError(
                f"{sources[0]}: labels that the model does not know: "
                f"{', '.join(map(repr, new))}; drop these rows, or name another --label-column"
            )
        check_logits(len(rows), len(labels), "evaluate a part of the rows at a time")
        yield rows


def readable(
    rows: EncodedRows, vocabulary: Vocabulary, unknown: Unknown
) -> Iterator[tuple[str, str]]:
    """Yields text and label of each row. Unknown characters are replaced or left out, as an
    exported file does.

    Raises:
        UnknownCharacterError: a text has one, and `unknown` is "error".
        DataError: nothing is left of a text.
    """
    for text, label in rows.pairs():
        if not (left := vocabulary.decode(vocabulary.encode(text, unknown))):
            raise DataError(
                f"text {text!r:.60} has no character the model knows; there is nothing to classify"
            )
        yield left, label


def logits_of_file(labeller: Labeller, rows: EncodedRows, unknown: Unknown) -> Tensor:
    """Computes the calibrated logits of an exported file [rows, labels], in blocks of texts."""
    found = torch.empty(len(rows), len(labeller.labels))
    texts = rows.texts_in_blocks()
    for begin in range(0, len(rows), _BLOCK):
        block = labeller.logits(list(islice(texts, _BLOCK)), unknown)
        found[begin : begin + _BLOCK] = torch.from_numpy(block)
    return found


def truth_of(rows: EncodedRows, labels: Sequence[str]) -> Tensor:
    """Returns the index in `labels` of each row's label, [rows]."""
    index = {label: i for i, label in enumerate(labels)}
    return torch.from_numpy(np.array([index[name] for name in rows.names])[rows.indices])
