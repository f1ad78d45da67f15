"""Loss of a character model on a text, each figure under a named protocol."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

from rnn_train.errors import EvaluationError
from rnn_train.evaluation import metrics
from rnn_train.models.charlm import CharLSTM

WINDOW = 256
_BATCH = 32
_MAX_LOGITS = 2**23
"""Numbers of one call's logits."""
State = tuple[Any, ...]


@dataclass(frozen=True)
class TextFigures:
    """Of a character model."""

    characters: int
    """Scored ones."""
    nats_per_char: dict[str, float]
    """By protocol."""

    def draw(self, folder: Path) -> list[Path]:
        """Raises `EvaluationError`: there is nothing to draw."""
        del folder
        raise EvaluationError("plots are of classifiers; leave --plots out")

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        protocols = {
            name: {"nats_per_char": nats, "bits_per_char": bits(nats)}
            for name, nats in self.nats_per_char.items()
        }
        return {"kind": "charlm", "characters": self.characters, "protocols": protocols}

    def as_text(self) -> str:
        """A few lines."""
        lines = [f"{self.characters:,} characters scored"]
        for name, nats in self.nats_per_char.items():
            lines.append(f"{name:10}{nats:.4f} nats/char  {bits(nats):.4f} bits/char")
        return "\n".join(lines)


class Reader(Protocol):
    """A model that reads tokens; `rnn_infer.Stepper` is one."""

    def zeros(self, batch: int) -> State:
        """The state before the first token."""

    def forward(self, tokens: NDArray[np.int64], state: Any) -> tuple[NDArray[np.float32], State]:
        """Tokens [batch, time] → logits [batch, time, n], and the state after them."""


class TorchReader:
    def __init__(self, model: CharLSTM, temperature: float) -> None:
        self._model = model
        self._temperature = temperature

    def zeros(self, batch: int) -> State:
        return self._model.zeros(batch)

    @torch.inference_mode()
    def forward(self, tokens: NDArray[np.int64], state: Any) -> tuple[NDArray[np.float32], State]:
        device = self._model.embedding.weight.device
        logits, after = self._model(torch.from_numpy(tokens).to(device), state)
        return (logits.float() / self._temperature).cpu().numpy(), after


def static_losses(model: Reader, tokens: NDArray[np.integer], outputs: int) -> dict[str, float]:
    return {
        "windows": windowed_loss(model, tokens, outputs),
        "stateful": stateful_loss(model, tokens, outputs),
    }


def windowed_loss(model: Reader, tokens: NDArray[np.integer], outputs: int) -> float:
    """Nats a character over windows of 256 that know nothing of what stands before them.

    Args:
        tokens: [characters], at least 2.
        outputs: width of the logits.
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
    """Nats a character of one pass that carries the state. Arguments: as `windowed_loss`."""
    scored = len(tokens) - 1
    size = max(1, min(WINDOW, _MAX_LOGITS // outputs))
    state, total = model.zeros(1), 0.0
    for begin in range(0, scored, size):
        nats, state = _nats(model, tokens[None, begin : begin + size + 1], state)
        total += nats
    return total / scored


def _nats(model: Reader, rows: NDArray[np.integer], state: State) -> tuple[float, State]:
    """Summed over rows [batch, time + 1], inputs and targets overlapping by one."""
    tokens: NDArray[np.int64] = rows.astype(np.int64)
    logits, after = model.forward(tokens[:, :-1], state)
    targets = np.take_along_axis(logits, tokens[:, 1:, None], -1)[..., 0]
    highest = logits.max(-1)
    normalizer = highest + np.log(np.exp(logits - highest[..., None]).sum(-1))
    return float((normalizer - targets).sum(dtype=np.float64)), after


_VALIDATION_STREAMS = 32
_VALIDATION_WINDOW = 256


@torch.inference_mode()
def held_out_loss(
    model: CharLSTM, tokens: NDArray[np.integer], streams: int = 0, temperature: float = 1.0
) -> float:
    """Nats a character over a text, stateful.

    Args:
        tokens: [characters], at least 2.
        streams: parallel streams the text is cut into, each from the zero state; 0: as many as
            leave 1000 characters to each, at most 32. 1 is the exact single pass.
        temperature: divides the logits.
    """
    count = streams or max(1, min(_VALIDATION_STREAMS, len(tokens) // 1000))
    length = (len(tokens) - 1) // count
    device = model.embedding.weight.device
    state: State = model.zeros(count)
    total = 0.0
    for begin in range(0, length, _VALIDATION_WINDOW):
        end = min(begin + _VALIDATION_WINDOW, length) + 1
        rows = np.stack([tokens[i * length + begin : i * length + end] for i in range(count)])
        window = torch.from_numpy(rows.astype(np.int64)).to(device)
        logits, state = model(window[:, :-1], state)
        flat = logits.float().flatten(0, 1) / temperature
        total += float(cross_entropy(flat, window[:, 1:].flatten(), reduction="sum"))
    return total / (count * length)


@torch.inference_mode()
def fit_temperature(model: CharLSTM, tokens: NDArray[np.integer]) -> float:
    """The one number by which dividing all logits gives the least loss on a text."""
    count = max(1, min(_VALIDATION_STREAMS, len(tokens) // 1000))
    length = min((len(tokens) - 1) // count, 1000)
    device = model.embedding.weight.device
    rows = np.stack([tokens[i * length : (i + 1) * length + 1] for i in range(count)])
    text = torch.from_numpy(rows.astype(np.int64)).to(device)
    logits, _ = model(text[:, :-1], model.zeros(count))
    return metrics.fit_temperature(logits.float().flatten(0, 1), text[:, 1:].flatten())


def bits(nats: float) -> float:
    """Nats to bits."""
    return nats / math.log(2)
