"""Independent text streams in one batch: what each has read, and what it will draw.

Every way to generate goes through here: a session is a batch of one, a list of prompts a batch
of many. A stream's text depends on its own prompt and seed alone, whatever stands beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rnn_infer.runtime.stepper import State, Stepper
from rnn_infer.sampling import Sampling, Uniforms
from rnn_infer.text.ragged import Tokens

MAX_CHUNK = 1024
_CHUNK_LOGITS = 2**22


@dataclass(frozen=True)
class Snapshot:
    """A moment of some streams, to come back to."""

    state: State
    pending: Tokens
    positions: tuple[int, ...]


class Streams:
    """`batch` streams. Each has read all its tokens but the last, which is pending.

    The last token stays unread so that drawing, which starts from a token's logits, needs no
    logits kept. Not to be shared by threads without a lock of their own.
    """

    def __init__(self, stepper: Stepper, uniforms: Sequence[Uniforms]) -> None:
        self._stepper = stepper
        self.uniforms = list(uniforms)
        self.state: State = stepper.zeros(len(self.uniforms))
        self.pending: Tokens = np.zeros(len(self.uniforms), np.int64)
        self.started = False
        """Whether anything was fed; before, `pending` means nothing."""

    def feed(self, texts: Sequence[Tokens]) -> None:
        """Reads one token sequence a stream; lengths may differ, and none may be empty at first.

        Streams of unequal length are read together as far as all go, then those left, so that
        nothing is padded.
        """
        if self.started:
            texts = [np.concatenate([[p], t]) for p, t in zip(self.pending, texts, strict=True)]
        self.pending = np.array([tokens[-1] for tokens in texts], np.int64)
        self.started = True
        self.state = read_ragged(self._stepper, self.state, [tokens[:-1] for tokens in texts])

    def logits(self) -> NDArray[np.float32]:
        """Logits [batch, n] of the next token of each stream. Moves nothing."""
        return self._stepper.forward(self.pending[:, None], self.state)[0][:, -1]

    def draw(self, count: int, sampling: Sampling) -> Tokens:
        """Draws the next `count` ≥ 1 tokens of each stream, [batch, count]."""
        uniform = np.stack([each.take(count) for each in self.uniforms])
        drawn, self.state = self._stepper.draw(self.pending[:, None], self.state, uniform, sampling)
        self.pending = drawn[:, -1]
        return drawn

    def keep(self, rows: Sequence[int]) -> None:
        """Drops all streams but these."""
        self.uniforms = [self.uniforms[row] for row in rows]
        self.state = tuple(each[rows] for each in self.state)
        self.pending = self.pending[rows]

    def snapshot(self) -> Snapshot:
        """This moment. State arrays are never written in place, so nothing is copied."""
        return Snapshot(self.state, self.pending, tuple(each.position for each in self.uniforms))

    def rewind(self, snapshot: Snapshot) -> None:
        """Returns to a moment marked before."""
        self.state, self.pending = snapshot.state, snapshot.pending
        for uniforms, position in zip(self.uniforms, snapshot.positions, strict=True):
            uniforms.seek(position)

    def fork(self, uniforms: Sequence[Uniforms]) -> Self:
        """The same streams at the same place, drawing from other uniforms."""
        twin = type(self)(self._stepper, uniforms)
        twin.state, twin.pending, twin.started = self.state, self.pending, self.started
        return twin


def read_ragged(stepper: Stepper, state: State, texts: Sequence[Tokens]) -> State:
    """The state after each row has read its own text; lengths may differ, and may be 0.

    Rows are read together as far as all go, then those left, so that nothing is padded.
    """
    lengths = np.array([len(tokens) for tokens in texts])
    chunk = chunk_length(stepper, len(texts))
    done = 0
    while (rows := np.flatnonzero(lengths > done)).size:
        until = min(int(lengths[rows].min()), done + chunk)
        tokens = np.stack([texts[row][done:until] for row in rows.tolist()])
        after = stepper.consume(tokens, tuple(each[rows] for each in state))
        if len(rows) == len(texts):
            state = after
        else:
            state = tuple(each.copy() for each in state)
            for whole, part in zip(state, after, strict=True):
                whole[rows] = part
        done = until
    return state


def chunk_length(stepper: Stepper, batch: int) -> int:
    """Tokens to read a call: many, unless their logits would take much memory."""
    return max(1, min(MAX_CHUNK, _CHUNK_LOGITS // (stepper.file.metadata.outputs * batch)))
