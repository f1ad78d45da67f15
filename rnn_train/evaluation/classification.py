"""Logits of a classifier on rows."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from rnn_train.data.alphabet import Alphabet, label_indices, pad
from rnn_train.data.rows import Rows
from rnn_train.models.classifier import RecurrentClassifier

_BATCH = 512


@torch.inference_mode()
def logits_of(model: RecurrentClassifier, alphabet: Alphabet, texts: Sequence[str]) -> Tensor:
    """Computes the logits of texts.

    Args:
        model: in evaluation mode, on any device.
        alphabet: its characters and labels.
        texts: in any order and of any length.

    Returns:
        [texts, labels], on the CPU.
    """
    device = model.readout.weight.device
    tokens = alphabet.encode(texts)
    # Texts of one length together need little padding.
    order = np.argsort([len(each) for each in tokens], kind="stable")
    logits = torch.empty(len(texts), len(alphabet.labels))
    for begin in range(0, len(order), _BATCH):
        chosen = order[begin : begin + _BATCH]
        padded, lengths = pad([tokens[i] for i in chosen], device)
        logits[torch.from_numpy(chosen)] = model.last(padded, lengths).cpu()
    return logits


def held_out_logits(
    model: RecurrentClassifier, alphabet: Alphabet, rows: Rows
) -> tuple[Tensor, Tensor]:
    """Computes the logits of rows, together with the true labels.

    Args:
        model: in evaluation mode, on any device.
        alphabet: its characters and labels.
        rows: every label must be in `alphabet.labels`; the caller checks this.

    Returns:
        Logits [rows, labels] and label indices [rows], on the CPU.
    """
    return logits_of(model, alphabet, rows.texts), torch.from_numpy(label_indices(rows, alphabet))
