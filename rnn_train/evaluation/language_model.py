"""Held-out loss and temperature of a character model, as training measures them."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

from rnn_train.evaluation import metrics
from rnn_train.models.cells import State
from rnn_train.models.charlm import CharLSTM

_STREAMS = 32
_WINDOW = 256


@torch.inference_mode()
def held_out_loss(
    model: CharLSTM, tokens: NDArray[np.integer], streams: int = 0, temperature: float = 1.0
) -> float:
    """Computes the loss of a model on a text. The hidden state is carried.

    Args:
        model: in evaluation mode.
        tokens: [characters], at least 2.
        streams: number of parallel streams that the text is cut into. Each stream starts from the
            zero state. 0 chooses a number: each stream has at least 1000 characters, and there are
            at most 32. 1 gives the exact single pass.
        temperature: every logit is divided by it.

    Returns:
        Nats per character.
    """
    count = streams or _stream_count(tokens)
    length = (len(tokens) - 1) // count
    device = model.embedding.weight.device
    state: State = model.zeros(count)
    total = 0.0
    for begin in range(0, length, _WINDOW):
        end = min(begin + _WINDOW, length) + 1
        rows = np.stack([tokens[i * length + begin : i * length + end] for i in range(count)])
        window = torch.from_numpy(rows.astype(np.int64)).to(device)
        logits, state = model(window[:, :-1], state)
        flat = logits.float().flatten(0, 1) / temperature
        total += float(cross_entropy(flat, window[:, 1:].flatten(), reduction="sum"))
    return total / (count * length)


@torch.inference_mode()
def fit_temperature(model: CharLSTM, tokens: NDArray[np.integer]) -> float:
    """Fits the temperature on a held-out text (Guo et al., 2017).

    Args:
        model: in evaluation mode.
        tokens: [characters], at least 2. At most 32 streams of 1000 characters are read.

    Returns:
        The number that gives the least loss when every logit is divided by it.
    """
    count = _stream_count(tokens)
    length = min((len(tokens) - 1) // count, 1000)
    device = model.embedding.weight.device
    rows = np.stack([tokens[i * length : (i + 1) * length + 1] for i in range(count)])
    text = torch.from_numpy(rows.astype(np.int64)).to(device)
    logits, _ = model(text[:, :-1], model.zeros(count))
    return metrics.fit_temperature(logits.float().flatten(0, 1), text[:, 1:].flatten())


def bits(nats: float) -> float:
    """Converts nats to bits."""
    return nats / math.log(2)


def _stream_count(tokens: NDArray[np.integer]) -> int:
    return max(1, min(_STREAMS, len(tokens) // 1000))
