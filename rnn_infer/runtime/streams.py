"""Independent streams of tokens in one batch: the state and the random numbers of each.

A session is a batch of one stream, a list of prompts a batch of many. The text of a stream depends
only on its own prompt and seed, not on the other streams of the batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rnn_infer.runtime.draw_rule import DrawRule
from rnn_infer.runtime.drawing import NOTHING, Moment, draw_tokens
from rnn_infer.runtime.reading import read_ragged
from rnn_infer.runtime.stepper import State, Stepper
from rnn_infer.sampling import Uniforms
from rnn_infer.text.ragged import Tokens


@dataclass(frozen=True)
class Snapshot:
    """The state of some streams at one moment. `Streams.rewind` goes back to it."""

    moment: Moment
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
        self.recent: list[Tokens] = [NOTHING] * len(self.uniforms)
        """For each stream the last tokens that it drew with a repetition penalty."""

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

    def draw(self, count: int, rule: DrawRule) -> Tokens:
        """Draw the next `count` ≥ 1 tokens of each stream, [batch, count]."""
        uniform = np.stack([each.take(count) for each in self.uniforms])
        drawn, after = draw_tokens(self._stepper, self._moment, uniform, rule)
        self._go_to(after)
        return drawn

    def keep(self, rows: Sequence[int]) -> None:
        """Keep these streams, and drop the others."""
        self.uniforms = [self.uniforms[row] for row in rows]
        self._go_to(self._moment.rows(rows))

    def restart(self, token: int) -> None:
        """Go back to the zero state, with one token pending. The random numbers go on."""
        self.state = self._stepper.zeros(len(self.uniforms))
        self.pending = np.full(len(self.uniforms), token, np.int64)
        self.started = True

    def snapshot(self) -> Snapshot:
        """Return this moment. State arrays are never changed in place, so nothing is copied."""
        return Snapshot(self._moment, tuple(each.position for each in self.uniforms))

    def rewind(self, snapshot: Snapshot) -> None:
        """Go back to the moment of a snapshot."""
        self._go_to(snapshot.moment)
        for uniforms, position in zip(self.uniforms, snapshot.positions, strict=True):
            uniforms.seek(position)

    def fork(self, uniforms: Sequence[Uniforms]) -> Self:
        """Return a copy of the streams that draws with other random numbers."""
        twin = type(self)(self._stepper, uniforms)
        twin.started = self.started
        twin._go_to(self._moment)
        return twin

    @property
    def _moment(self) -> Moment:
        return Moment(self.pending, self.state, self.recent)

    def _go_to(self, moment: Moment) -> None:
        self.pending, self.state, self.recent = moment.pending, moment.state, list(moment.recent)
