"""Independent streams of tokens in one batch: the state and the random numbers of each.

A session is a batch of one stream, a list of prompts a batch of many. The text of a stream depends
only on its own prompt and seed, not on the other streams of the batch.
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
"""Tokens per stream and call, at most."""
_CHUNK_LOGITS = 2**22
"""Logits per call, about."""


@dataclass(frozen=True)
class Snapshot:
    """The state of some streams at one moment. `Streams.rewind` goes back to it."""

    state: State
    pending: Tokens
    positions: tuple[int, ...]


class Streams:
    """A batch of streams. The state of each has read all its tokens but the last, the pending one.

    Drawing starts from the logits after the last token. So the last token is read together with
    the next draw, and no logits need to be kept. For one thread at a time.
    """

    def __init__(self, stepper: Stepper, uniforms: Sequence[Uniforms]) -> None:
        self._stepper = stepper
        self.uniforms = list(uniforms)
        self.state: State = stepper.zeros(len(self.uniforms))
        self.pending: Tokens = np.zeros(len(self.uniforms), np.int64)
        self.started = False
        """Whether any text was fed. Before that, `pending` has no meaning."""

    def feed(self, texts: Sequence[Tokens]) -> None:
        """Read one token sequence per stream.

        Args:
            texts: one array [time] per stream. Lengths may differ. In the first call none may be
                empty.
        """
        if self.started:
            texts = [np.concatenate([[p], t]) for p, t in zip(self.pending, texts, strict=True)]
        self.pending = np.array([tokens[-1] for tokens in texts], np.int64)
        self.started = True
        self.state = read_ragged(self._stepper, self.state, [tokens[:-1] for tokens in texts])

    def logits(self) -> NDArray[np.float32]:
        """Return the logits of the next token, [batch, n]. The streams do not change."""
        return self._stepper.forward(self.pending[:, None], self.state)[0][:, -1]

    def draw(self, count: int, sampling: Sampling) -> Tokens:
        """Draw the next `count` ≥ 1 tokens of each stream, [batch, count]."""
        uniform = np.stack([each.take(count) for each in self.uniforms])
        drawn, self.state = self._stepper.draw(self.pending[:, None], self.state, uniform, sampling)
        self.pending = drawn[:, -1]
        return drawn

    def keep(self, rows: Sequence[int]) -> None:
        """Keep these streams, and drop the others."""
        self.uniforms = [self.uniforms[row] for row in rows]
        self.state = tuple(each[rows] for each in self.state)
        self.pending = self.pending[rows]

    def restart(self, token: int) -> None:
        """Go back to the zero state, with one token pending. The random numbers go on."""
        self.state = self._stepper.zeros(len(self.uniforms))
        self.pending = np.full(len(self.uniforms), token, np.int64)
        self.started = True

    def snapshot(self) -> Snapshot:
        """Return this moment. State arrays are never changed in place, so nothing is copied."""
        return Snapshot(self.state, self.pending, tuple(each.position for each in self.uniforms))

    def rewind(self, snapshot: Snapshot) -> None:
        """Go back to the moment of a snapshot."""
        self.state, self.pending = snapshot.state, snapshot.pending
        for uniforms, position in zip(self.uniforms, snapshot.positions, strict=True):
            uniforms.seek(position)

    def fork(self, uniforms: Sequence[Uniforms]) -> Self:
        """Return a copy of the streams that draws with other random numbers."""
        twin = type(self)(self._stepper, uniforms)
        twin.state, twin.pending, twin.started = self.state, self.pending, self.started
        return twin


def read_ragged(stepper: Stepper, state: State, texts: Sequence[Tokens]) -> State:
    """Read one text per row, and return the state after it.

    The rows are read together up to the end of the shortest, then the remaining ones, and so on.
    So nothing is padded.

    Args:
        stepper: the open model.
        state: the state before the texts.
        texts: one array [time] per row. Lengths may differ and may be 0.
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
    """Return how many tokens to read per call, so that the logits do not take too much memory."""
    return max(1, min(MAX_CHUNK, _CHUNK_LOGITS // (stepper.file.metadata.outputs * batch)))
