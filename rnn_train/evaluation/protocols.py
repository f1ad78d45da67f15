"""Loss of a character model on a text, under the two protocols without training.

windows    windows of 256 characters; each window starts from the zero state
stateful   one pass; the hidden state is carried from the start to the end

documents  for a model of documents: each from the zero state, all of its characters scored

The first two score every character except the first. All accept any model with the interface
`Reader`.
"""

from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from rnn_train.data.held_out import documents_of
from rnn_train.data.streams import ArrayRing
from rnn_train.models.charlm import CharLSTM

WINDOW = 256
"""Characters of a window."""
_BATCH = 32
_MAX_LOGITS = 2**23
"""Upper limit on the number of logits that one call returns."""
State = tuple[Any, ...]


class Reader(Protocol):
    """A model that reads tokens. `rnn_infer`'s `Stepper` has this interface."""

    def zeros(self, batch: int) -> State:
        """Returns the state before the first token."""

    def forward(self, tokens: NDArray[np.int64], state: Any) -> tuple[NDArray[np.float32], State]:
        """Reads tokens.

        Args:
            tokens: [batch, time].
            state: the state before the first of them.

        Returns:
            Logits [batch, time, vocabulary], and the state after the last token.
        """


class TorchReader:
    """A PyTorch model with the interface `Reader`."""

    def __init__(self, model: CharLSTM, temperature: float) -> None:
        """Wraps a model.

        Args:
            model: in evaluation mode.
            temperature: every logit is divided by it.
        """
        self._model = model
        self._temperature = temperature

    def zeros(self, batch: int) -> State:
        """See `Reader`."""
        return self._model.zeros(batch)

    @torch.inference_mode()
    def forward(self, tokens: NDArray[np.int64], state: Any) -> tuple[NDArray[np.float32], State]:
        """See `Reader`."""
        device = self._model.embedding.weight.device
        logits, after = self._model(torch.from_numpy(tokens).to(device), state)
        return (logits.float() / self._temperature).cpu().numpy(), after


def static_losses(model: Reader, tokens: NDArray[np.integer], outputs: int) -> dict[str, float]:
    """Scores a text under both protocols.

    Args:
        model: the model to score.
        tokens: [characters], at least 2.
        outputs: width of the logits.

    Returns:
        Nats per character, by the name of the protocol.
    """
    return {
        "windows": windowed_loss(model, tokens, outputs),
        "stateful": stateful_loss(model, tokens, outputs),
    }


def documents_loss(model: Reader, tokens: NDArray[np.integer], outputs: int, mark: int) -> float:
    """Scores documents, each from the zero state, with all of their characters.

    Args:
        model: the model to score.
        tokens: a mark, then documents with a mark after each, [characters].
        outputs: width of the logits.
        mark: its token.

    Returns:
        Nats per character.
    """
    documents = documents_of(tokens, mark)
    lengths = documents[:, 1] - documents[:, 0]
    order = np.argsort(-lengths, kind="stable")
    batch = max(1, min(_BATCH, _MAX_LOGITS // (WINDOW * outputs)))
    ring = ArrayRing(np.asarray(tokens))
    total = 0.0
    for begin in range(0, len(order), batch):
        starts, left = (each[order[begin : begin + batch]] for each in (documents[:, 0], lengths))
        state = model.zeros(len(starts))
        while len(starts):
            size = min(WINDOW, int(left[-1]))  # up to the end of the shortest
            rows = ring.rows(starts, size + 1)
            nats, state = _nats(model, rows, state)
            total += nats
            going = int(np.count_nonzero(left > size))
            starts, left = starts[:going] + size, left[:going] - size
            state = tuple(each[:going] for each in state)
    return total / int(lengths.sum())


def windowed_loss(model: Reader, tokens: NDArray[np.integer], outputs: int) -> float:
    """Scores a text in windows of 256 characters, each from the zero state.

    Args:
        model: the model to score.
        tokens: [characters], at least 2.
        outputs: width of the logits.

    Returns:
        Nats per character.
    """
    scored = len(tokens) - 1
    starts = range(0, scored - WINDOW + 1, WINDOW)
    batch = max(1, min(_BATCH, _MAX_LOGITS // (WINDOW * outputs)))
    total = 0.0
    for i in range(0, len(starts), batch):
        rows = [tokens[start : start + WINDOW + 1] for start in starts[i : i + batch]]
        total += _nats(model, np.stack(rows), model.zeros(len(rows)))[0]
    if rest := scored % WINDOW:
        total += _nats(model, tokens[None, -rest - 1 :], model.zeros(1))[0]
    return total / scored


def stateful_loss(model: Reader, tokens: NDArray[np.integer], outputs: int) -> float:
    """Scores a text in one pass that carries the hidden state.

    Args:
        model: the model to score.
        tokens: [characters], at least 2.
        outputs: width of the logits.

    Returns:
        Nats per character.
    """
    scored = len(tokens) - 1
    size = max(1, min(WINDOW, _MAX_LOGITS // outputs))
    state, total = model.zeros(1), 0.0
    for begin in range(0, scored, size):
        nats, state = _nats(model, tokens[None, begin : begin + size + 1], state)
        total += nats
    return total / scored


def _nats(model: Reader, rows: NDArray[np.integer], state: State) -> tuple[float, State]:
    """Sums the loss over rows [batch, time + 1]; inputs and targets overlap by one token."""
    tokens: NDArray[np.int64] = rows.astype(np.int64)
    logits, after = model.forward(tokens[:, :-1], state)
    targets = np.take_along_axis(logits, tokens[:, 1:, None], -1)[..., 0]
    highest = logits.max(-1)
    normalizer = highest + np.log(np.exp(logits - highest[..., None]).sum(-1))
    return float((normalizer - targets).sum(dtype=np.float64)), after
