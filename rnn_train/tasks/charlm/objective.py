"""The objective of the character model: next-character prediction, and soft targets."""

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from tqdm import tqdm

from rnn_train.data.streams import Ring, Streams
from rnn_train.data.transfer import to_device
from rnn_train.evaluation.language_model import held_out_loss
from rnn_train.models.charlm import CharLSTM
from rnn_train.models.decoding import generate
from rnn_train.training import cuda_graph
from rnn_train.training.device import pick_precision

SAMPLE_LENGTH = 160
_VALIDATION_CHARACTERS = 20_000
"""Held-out characters that a validation reads during training. The end of a run reads all."""


class CharLMObjective:
    """Next-character prediction by stateful truncated backpropagation through time (BPTT).

    The hidden state is carried from window to window, without its gradient (Williams & Peng, 1990,
    "An efficient gradient-based algorithm for on-line training of recurrent network trajectories").
    """

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
        soft_targets: Ring | None = None,
        teacher_weight: float = 1.0,
        capture: bool = True,
    ) -> None:
        """
        Args:
            model: the model, on `device`.
            streams: windows of the training text.
            held_out: tokens [characters], may be empty.
            vocabulary: the character of each token.
            start: token that a sample starts from.
            device: where to train.
            soft_targets: the teachers' probabilities after each training character,
                [characters, vocabulary].
            teacher_weight: weight of the soft targets in the loss; the rest is the true character.
            capture: capture the passes as a CUDA graph if possible; see `TrainingConfig`.
        """
        self.model = model
        self._streams = streams.over(to_device(streams.text, device))
        self._held_out = held_out[:_VALIDATION_CHARACTERS]
        self._vocabulary = vocabulary
        self._start = start
        self._device = device
        self._soft_targets = to_device(soft_targets, device) if soft_targets is not None else None
        self._teacher_weight = teacher_weight
        self._state = model.zeros(streams.batch)
        self._capture = capture
        self._pass: cuda_graph.Pass | None = None

    @property
    def gates(self) -> Sequence[nn.Parameter]:
        """The matrices of the LSTM layers."""
        return [p for lstm in self.model.lstms() for p in lstm.parameters() if p.ndim > 1]

    def loss(self, step: int) -> tuple[Tensor, int]:
        """Computes the mean loss of window `step`, in nats, and counts its characters."""
        tokens, fresh = self._streams.window(step)  # (B, T + 1)
        if fresh:
            self._state = self.model.zeros(self._streams.batch)
        # The first step captures: by then the weights stay in the same memory.
        self._pass = self._pass or self._fastest_pass(tokens.shape[1] - 1)
        logits, after = self._pass(tokens[:, :-1], self._state)
        self._state = tuple(state.detach().float() for state in after)
        logits = logits.float().flatten(0, 1)
        loss = cross_entropy(logits, tokens[:, 1:].flatten())
        if self._soft_targets is not None:
            targets = self._streams.aligned(self._soft_targets, step).flatten(0, 1).float()
            loss = torch.lerp(loss, cross_entropy(logits, targets), self._teacher_weight)
        return loss, self._streams.characters

    def _fastest_pass(self, window: int) -> cuda_graph.Pass:
        if self._capture and cuda_graph.available(self._device):
            precision = pick_precision(self._device, self.bfloat16)
            try:
                return cuda_graph.capture(self.model, self._streams.batch, window, precision)
            except RuntimeError as error:
                reason = str(error).partition("\n")[0]
                tqdm.write(
                    f"warning: passes cannot be captured as a CUDA graph here: {reason}", sys.stderr
                )
        return self.model

    def around_step(self) -> AbstractContextManager[None]:
        """Drops recurrent weights during one forward and backward pass."""
        return self.model.dropped_weights()

    def validate(self, model: nn.Module) -> dict[str, Any]:
        """Computes the loss on the held-out text in nats a character, and generates a sample."""
        assert isinstance(model, CharLSTM)
        sample = generate(model, self._start, SAMPLE_LENGTH)
        found: dict[str, Any] = {"sample": "".join(self._vocabulary[t] for t in sample)}
        if len(self._held_out) > 1:
            found["val_loss"] = held_out_loss(model, self._held_out)
        return found

    def state(self) -> dict[str, Any]:
        """Returns the carried hidden state."""
        return {"carried": list(self._state)}

    def restore(self, state: dict[str, Any]) -> None:
        """Restores the carried hidden state."""
        self._state = tuple(each.to(self._device) for each in state["carried"])
