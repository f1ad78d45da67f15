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

from rnn_train.data.document_streams import DocumentStreams
from rnn_train.data.streams import Ring, Streams
from rnn_train.data.transfer import to_device
from rnn_train.distributed.share import WHOLE
from rnn_train.evaluation.language_model import held_out_loss
from rnn_train.models.charlm import CharLSTM
from rnn_train.models.decoding import generate
from rnn_train.models.dropout import drawn_for
from rnn_train.tasks.charlm.last_phase import LastPhase
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
        streams: Streams | DocumentStreams,
        held_out: NDArray[np.integer],
        vocabulary: tuple[str, ...],
        start: int,
        device: torch.device,
        soft_targets: Ring | None = None,
        teacher_weight: float = 1.0,
        capture: bool = True,
        mark: int | None = None,
        last_phase: LastPhase | None = None,
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
            mark: token between documents; None: there are no documents.
            last_phase: what is learnt at the end of the run; None: the same as before.
        """
        self.model = model
        self.share = WHOLE
        self._streams = streams.over(to_device(streams.text, device))
        self._held_out = held_out[:_VALIDATION_CHARACTERS]
        self._vocabulary = vocabulary
        self._start = start
        self._device = device
        self._soft_targets = to_device(soft_targets, device) if soft_targets is not None else None
        self._teacher_weight = teacher_weight
        self._state = model.zeros(streams.batch)
        self._capture = capture
        self._mark = mark
        self._last_phase = last_phase
        self._begun: int | None = None
        """Step at which the last phase began."""
        self._pass: cuda_graph.Pass | None = None

    @property
    def gates(self) -> Sequence[nn.Parameter]:
        """The matrices of the LSTM layers."""
        return [p for lstm in self.model.lstms() for p in lstm.parameters() if p.ndim > 1]

    @property
    def tables(self) -> Sequence[nn.Parameter]:
        """None: each batch reads nearly all characters."""
        return ()

    @property
    def measures(self) -> bool:
        """Whether a last phase is to come: it learns the held-out text, which is measured first."""
        return self.last_phase_from < 1

    @property
    def carried(self) -> Sequence[Tensor]:
        """The hidden state of all streams, which the next window starts from."""
        return self._state

    @property
    def phase(self) -> int | None:
        """Step at which the last phase began; None: it has not."""
        return self._begun

    def loss(self, step: int) -> tuple[Tensor, int]:
        """Computes the mean loss of window `step`, in nats, and counts its characters."""
        streams, rows = self._streams, self.share.rows
        step -= self._begun or 0
        tokens, fresh = streams.window(step, rows)  # (B, T + 1)
        self._reset(fresh)
        logits = self._read(tokens[:, :-1]).float().flatten(0, 1)
        targets, soft = tokens[:, 1:].flatten(), None
        if self._soft_targets is not None:
            soft = streams.aligned(self._soft_targets, step, rows).flatten(0, 1).float()
        window = tokens.shape[1] - 1
        characters = streams.batch * window
        if isinstance(streams, DocumentStreams):
            lengths = streams.counted(step)
            counted = self._counted(lengths[rows], window)
            logits, targets, characters = logits[counted], targets[counted], int(lengths.sum())
            soft = None if soft is None else soft[counted]
        if not len(targets):  # all rows of this share are done with their documents
            return logits.sum(), characters
        loss = cross_entropy(logits, targets)
        if soft is not None:
            loss = torch.lerp(loss, cross_entropy(logits, soft), self._teacher_weight)
        if self.share != WHOLE:
            loss = loss * (len(targets) / characters)
        return loss, characters

    def _read(self, tokens: Tensor) -> Tensor:
        """Returns the logits of the streams of the share, and takes over their state."""
        rows, batch = self.share.rows, self._streams.batch
        with drawn_for(self.share, batch):
            # The first step captures: by then the weights stay in the same memory.
            self._pass = self._pass or self._fastest_pass(len(tokens), tokens.shape[1])
            logits, after = self._pass(tokens, tuple(s[rows].contiguous() for s in self._state))
        own = tuple(state.detach().float() for state in after)
        if self.share == WHOLE:
            self._state = own
        else:
            self._state = self.model.zeros(batch)
            for whole, part in zip(self._state, own, strict=True):
                whole[rows] = part
        return logits

    def _reset(self, fresh: bool | NDArray[np.bool_]) -> None:
        """Sets the state of all rows, or of some, to zero."""
        if isinstance(fresh, bool):
            if fresh:
                self._state = self.model.zeros(self._streams.batch)
        elif fresh.any():
            keep = torch.from_numpy(~fresh[:, None]).to(self._device)
            self._state = tuple(state * keep for state in self._state)

    def _counted(self, lengths: NDArray[np.int64], window: int) -> Tensor:
        """Returns the places in the flat window of the characters that count."""
        places = np.flatnonzero(np.arange(window) < lengths[:, None])
        return torch.from_numpy(places).to(self._device)

    restart_rate = 0.0

    @property
    def last_phase_from(self) -> float:
        """Share of the run after which all of the text is learnt; 1: never, or it has begun."""
        return self._last_phase.begins if self._last_phase and self._begun is None else 1.0

    def begin_last_phase(self, model: nn.Module, step: int) -> list[str]:
        """Measures a model on the held-out text, and learns all of the text from here on."""
        assert self._last_phase is not None
        assert isinstance(model, CharLSTM)
        result = self._last_phase.measure(model, step)
        self._learn_all(step)
        nats = result.metrics["held_out_nats_per_char"]
        return [
            f"step {step}  held-out text measured: {nats:.4f} nats at temperature "
            f"{result.temperature:.4g}; from here on it is learnt too"
        ]

    def _learn_all(self, begun: int) -> None:
        assert self._last_phase is not None
        self._begun = begun
        streams, soft = self._last_phase.streams, self._last_phase.soft_targets
        self._streams = streams.over(to_device(streams.text, self._device))
        self._soft_targets = None if soft is None else to_device(soft, self._device)

    def _fastest_pass(self, rows: int, window: int) -> cuda_graph.Pass:
        if self._capture and cuda_graph.available(self._device):
            precision = pick_precision(self._device, self.bfloat16)
            try:
                return cuda_graph.capture(self.model, rows, window, precision)
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
        if len(self._held_out) > 1 and self._begun is None:
            found["val_loss"] = held_out_loss(model, self._held_out, mark=self._mark)
        return found

    def follow(self, phase: int | None, carried: Sequence[Tensor]) -> None:
        """Takes over the state, and learns all of the text if the process that leads does so."""
        self._state = tuple(carried)
        if phase != self._begun:
            assert phase is not None
            self._learn_all(phase)

    def state(self) -> dict[str, Any]:
        """Returns the carried hidden state, and the step at which the last phase began."""
        return {"carried": list(self._state), "last_phase": self._begun}

    def restore(self, state: dict[str, Any]) -> None:
        """Restores the carried hidden state and the phase."""
        begun = state.get("last_phase")
        if begun is not None:
            self._learn_all(begun)
        elif self._last_phase:
            self._last_phase.forget()
        self._state = tuple(each.to(self._device) for each in state["carried"])
