"""Logits of a classifier on rows."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnn_train.data.alphabet import Alphabet, label_indices
from rnn_train.data.encoded_rows import EncodedRows
from rnn_train.data.row_reader import RowReader
from rnn_train.data.rows import Rows
from rnn_train.models.classifier import RecurrentClassifier

_BATCH = 1024
"""Texts that are read at once."""
_TOKENS = 1 << 15
"""Tokens that are read at once, with padding. A longer text is read in pieces."""


def logits_of(
    model: RecurrentClassifier, alphabet: Alphabet, texts: Sequence[str] | EncodedRows
) -> Tensor:
    """Computes the logits of texts. Memory is bounded, whatever the length of a text.

    Args:
        model: in evaluation mode, on any device.
        alphabet: its characters and labels.
        texts: in any order and of any length.

    Returns:
        [texts, labels], on the CPU.
    """
    if not isinstance(texts, EncodedRows):
        texts = EncodedRows.of(Rows(tuple(texts), ("",) * len(texts)))
    reader = RowReader(texts, alphabet)
    logits = torch.empty(len(texts), len(alphabet.labels))
    for chosen in _batches(reader.lengths):
        logits[torch.from_numpy(chosen)] = _read(model, reader, chosen)
    return logits


def held_out_logits(
    model: RecurrentClassifier, alphabet: Alphabet, rows: Rows | EncodedRows
) -> tuple[Tensor, Tensor]:
    """Computes the logits of rows, together with the true labels.

    Args:
        model: in evaluation mode, on any device.
        alphabet: its characters and labels.
        rows: every label must be in `alphabet.labels`; the caller checks this.

    Returns:
        Logits [rows, labels] and label indices [rows], on the CPU.
    """
    encoded = rows if isinstance(rows, EncodedRows) else EncodedRows.of(rows)
    return logits_of(model, alphabet, encoded), torch.from_numpy(label_indices(rows, alphabet))


def _batches(lengths: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yields the rows of each batch, sorted by length: they need little padding."""
    order = np.argsort(lengths, kind="stable")
    end = len(order)
    while end:
        fitting = max(1, min(_BATCH, _TOKENS // int(lengths[order[end - 1]])))
        yield order[max(0, end - fitting) : end]
        end -= min(end, fitting)


@torch.inference_mode()
def _read(model: RecurrentClassifier, reader: RowReader, chosen: NDArray[np.int64]) -> Tensor:
    """Computes the logits of one batch [batch, labels], on the CPU."""
    device = model.readout.weight.device
    longest = int(reader.lengths[chosen].max())
    if longest <= _TOKENS:
        tokens, lengths = reader.read(chosen)
        return model.last(tokens.to(device), lengths.to(device)).cpu()
    assert len(chosen) == 1, "a text that is longer than a batch is alone"
    state = model.zeros(1)
    for begin in range(0, longest, _TOKENS):
        tokens, _ = reader.read(chosen, begin, _TOKENS)
        found, state = model.read_on(tokens.to(device), state)
    return found.cpu()
