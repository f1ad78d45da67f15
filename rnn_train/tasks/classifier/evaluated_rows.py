"""Rows that a classifier is evaluated on."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from rnn_infer.labelling import Labeller
from rnn_infer.tables.options import TableOptions
from rnn_infer.text.vocabulary import Unknown, Vocabulary
from rnn_train.data.alphabet import Alphabet
from rnn_train.data.encoded_rows import EncodedRows
from rnn_train.data.row_store import stored_rows
from rnn_train.data.row_stream import RowStream
from rnn_train.errors import DataError
from rnn_train.evaluation.answers import Block
from rnn_train.evaluation.calibration import block_rows
from rnn_train.evaluation.classification import logits_of
from rnn_train.models.classifier import RecurrentClassifier
from rnn_train.progress import Log

_BLOCK = 1 << 14
"""Texts that are in memory at once, at most."""


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
        RunError: the disk has no room for them.
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


def logits_of_file(labeller: Labeller, rows: EncodedRows, unknown: Unknown) -> Iterator[Tensor]:
    """Yields the calibrated logits of an exported file, [some rows, labels]."""
    texts = rows.texts_in_blocks()
    size = _block(len(labeller.labels))
    while block := list(islice(texts, size)):
        yield torch.from_numpy(labeller.logits(block, unknown))


def logits_of_run(
    model: RecurrentClassifier, alphabet: Alphabet, rows: EncodedRows
) -> Iterator[Tensor]:
    """Yields the logits of a model in evaluation mode, [some rows, labels], on the CPU."""
    size = _block(len(alphabet.labels))
    for begin in range(0, len(rows), size):
        some = rows.take(np.arange(begin, min(begin + size, len(rows))))
        yield logits_of(model, alphabet, some)


def with_truth(logits: Iterable[Tensor], truth: Tensor) -> Iterator[Block]:
    """Yields blocks of logits [some rows, labels] with the index of each row's label.

    Args:
        logits: in the order of the rows.
        truth: see `truth_of`.
    """
    begin = 0
    for block in logits:
        yield block, truth[begin : begin + len(block)]
        begin += len(block)


def _block(labels: int) -> int:
    """Returns how many rows are read together: memory does not grow with rows × labels."""
    return min(_BLOCK, block_rows(labels))


def truth_of(rows: EncodedRows, labels: Sequence[str]) -> Tensor:
    """Returns the index in `labels` of each row's label, [rows]."""
    index = {label: i for i, label in enumerate(labels)}
    return torch.from_numpy(np.array([index[name] for name in rows.names])[rows.indices])
