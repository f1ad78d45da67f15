"""The character model's side of training: windows in, loss out, and how good it is."""

import math
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from tqdm import tqdm

from rnn_train import captured, metrics
from rnn_train.cells import State
from rnn_train.corpus import Ring, Streams
from rnn_train.models import CharLSTM
from rnn_train.placement import placed
from rnn_train.training import pick_precision

SAMPLE_LENGTH = 160
_VALIDATION_STREAMS = 32
_VALIDATION_WINDOW = 256
_VALIDATION_CHARACTERS = 20_000
"""Of the held-out text, while training; the verdict at the end reads all of it."""


class CharLMTask:
    """Next-character prediction by stateful truncated BPTT: the state is carried, detached."""

    unit = "characters"
    bfloat16 = True

    def __init__(
        self,
        model: CharLSTM,
        streams: Streams,
        held_out: NDArray[np.integer],
        vocabulary: tuple[str, ...],
        start: int,
        device: torch.device,
        answers: Ring | None = None,
        say: float = 1.0,
        capture: bool = True,
    ) -> None:
        """
        Args:
            answers: what teachers expect after each character, [characters, vocabulary].
            say: their share in what is to be learnt; the rest is what did follow.
            capture: see `TrainingConfig`.
        """
        self.model = model
        self._streams = streams.over(placed(streams.text, device))
        self._held_out = held_out[:_VALIDATION_CHARACTERS]
        self._vocabulary = vocabulary
        self._start = start
        self._device = device
        self._answers = placed(answers, device) if answers is not None else None
        self._say = say
        self._state = model.zeros(streams.batch)
        self._capture = capture
        self._pass: captured.Pass | None = None

    @property
    def gates(self) -> Sequence[nn.Parameter]:
        """The LSTM's matrices."""
        return [p for lstm in self.model.lstms() for p in lstm.parameters() if p.ndim > 1]

    def loss(self, step: int) -> tuple[Tensor, int]:
        """Mean nats a character of window `step`, and its characters."""
        tokens, fresh = self._streams.window(step)  # (B, T + 1)
        if fresh:
            self._state = self.model.zeros(self._streams.batch)
        # Not before the first step: by then the weights lie where they will stay.
        self._pass = self._pass or self._fastest_pass(tokens.shape[1] - 1)
        logits, after = self._pass(tokens[:, :-1], self._state)
        self._state = tuple(state.detach().float() for state in after)
        logits = logits.float().flatten(0, 1)
        loss = cross_entropy(logits, tokens[:, 1:].flatten())
        if self._answers is not None:
            expected = self._streams.beside(self._answers, step).flatten(0, 1).float()
            loss = torch.lerp(loss, cross_entropy(logits, expected), self._say)
        return loss, self._streams.characters

    def _fastest_pass(self, window: int) -> captured.Pass:
        if self._capture and captured.possible(self._device):
            precision = pick_precision(self._device, self.bfloat16)
            try:
                return captured.record(self.model, self._streams.batch, window, precision)
            except RuntimeError as error:
                reason = str(error).partition("\n")[0]
                tqdm.write(f"warning: steps cannot be recorded here: {reason}", sys.stderr)
        return self.model

    def around_step(self) -> AbstractContextManager[None]:
        """Weight drop lasts from forward to backward."""
        return self.model.dropped_weights()

    def validate(self, model: nn.Module) -> dict[str, Any]:
        """Loss on the held-out text, and a sample."""
        assert isinstance(model, CharLSTM)
        sample = generate(model, self._start, SAMPLE_LENGTH)
        found: dict[str, Any] = {"sample": "".join(self._vocabulary[t] for t in sample)}
        if len(self._held_out) > 1:
            found["val_loss"] = held_out_loss(model, self._held_out)
        return found

    def state(self) -> dict[str, Any]:
        """The carried state."""
        return {"carried": list(self._state)}

    def restore(self, state: dict[str, Any]) -> None:
        """Takes the carried state back."""
        self._state = tuple(each.to(self._device) for each in state["carried"])


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


@torch.inference_mode()
def generate(
    model: CharLSTM, start: int, length: int, temperature: float = 0.8, seed: int = 0
) -> list[int]:
    """Draws tokens with torch: for the samples shown while training."""
    device = model.embedding.weight.device
    generator = torch.Generator(device=device).manual_seed(seed)
    token = torch.tensor([[start]], device=device)
    state = model.zeros(1)
    drawn = []
    # oneDNN's LSTM repacks its weights at every call: five times slower for single steps.
    with without_onednn():
        for _ in range(length):
            logits, state = model(token, state)
            weights = torch.softmax(logits[:, -1].float() / temperature, -1)
            token = torch.multinomial(weights, 1, generator=generator)
            drawn.append(int(token))
    return drawn


@contextmanager
def without_onednn() -> Iterator[None]:
    """torch's own kernels: oneDNN's LSTM repacks its weights at every call."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch asks about Intel GPUs here
        flags = torch.backends.mkldnn.flags(enabled=False)
        flags.__enter__()
    try:
        yield
    finally:
        flags.__exit__(None, None, None)


def bits(nats: float) -> float:
    """Nats to bits."""
    return nats / math.log(2)
