"""One tick of a pool: what its streams have fed is read, then each draws the same number."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rnn_infer.pooling.pool_stream import PoolStream
from rnn_infer.runtime.drawing import Moment, draw_tokens
from rnn_infer.runtime.reading import read_ragged
from rnn_infer.runtime.repetition import add
from rnn_infer.runtime.state_table import NOTHING_READ, StateTable
from rnn_infer.runtime.stepper import Stepper
from rnn_infer.text.vocabulary import Vocabulary

MAX_TICK = 32
"""Characters per stream and tick at most. A stream that joins waits no longer than for these."""
MAX_READ = MAX_TICK
"""Tokens that a stream reads per tick at most, if others draw. They do not wait for the rest of a
long text. A token takes about as long to read as to draw."""
MAX_READ_ALONE = 256
"""Tokens that a stream reads per tick at most, if none draws."""


class Tick:
    """A batch of streams that read and draw. It works on copies of their rows.

    `compute` needs no lock. The others are for the thread that holds the lock of the pool.

    Args:
        streams: the streams. Each wants some characters.
        table: the states of the pool.
        mark: the token that ends a document, or None.
        most: tokens that each stream reads at most.
    """

    def __init__(
        self,
        streams: Sequence[PoolStream],
        table: StateTable,
        mark: int | None,
        most: int = MAX_READ,
    ) -> None:
        self.streams = list(streams)
        self._rows = [stream.row for stream in streams]
        self._state, self._pending = table.gather(self._rows)
        self._mark = mark
        self._positions = [stream.uniforms.position for stream in streams]
        self._recent = [stream.recent for stream in streams]
        self._scanners = [stream.scanner for stream in streams]
        self._texts: list[NDArray[np.int64]] = []
        try:
            self._take(most)
        except BaseException:
            self.undo()
            raise

    def _take(self, most: int) -> None:
        """Take what the streams have fed, and their random numbers."""
        for stream in self.streams:
            self._texts.append(stream._take_unread(most, self._mark))
        # A stream that has more to read draws in a later tick.
        self._drawing = [i for i, stream in enumerate(self.streams) if not stream.unread]
        drawing = [self.streams[i] for i in self._drawing]
        self._steps = _steps(drawing)
        self._uniform = [stream.uniforms.take(self._steps) for stream in drawing]
        self._rules = [stream.rule for stream in drawing]

    def compute(self, stepper: Stepper, vocabulary: Vocabulary) -> None:
        """Read and draw."""
        self._read(stepper)
        # The moment before the draw is kept: a stream may have to go back to it.
        start = Moment(self._pending, self._state, self._recent)
        if not self._drawing:
            return
        if len(self._drawing) < len(self.streams):
            start = start.rows(self._drawing)
        uniform = np.stack(self._uniform)
        self._tokens, self._after = draw_tokens(stepper, start, uniform, self._rules)
        self._whole = vocabulary.decode(self._tokens.ravel())  # one call for all rows

    def undo(self) -> None:
        """Give back what the streams gave, because the tick failed."""
        given = zip(self.streams, self._texts, self._positions, strict=False)
        for stream, text, position in given:  # of the others nothing was taken
            stream._give_back(text, position)

    def write(self, table: StateTable) -> None:
        """Hand the text to the streams, and write their rows.

        A stream that was closed meanwhile has lost its row, perhaps to another stream.
        """
        here = {i for i, stream in enumerate(self.streams) if stream.row == self._rows[i]}
        late = here.difference(self._drawing)
        on: list[int] = []
        if self._drawing:
            for k, i in enumerate(self._drawing):
                text = self._whole[k * self._steps : (k + 1) * self._steps]
                if i not in here:
                    continue
                if self._hand_over(i, k, text):
                    on.append(k)
                else:
                    late.add(i)
            rows = [self._rows[self._drawing[k]] for k in on]
            state = tuple(each[on] for each in self._after.state)
            table.scatter(rows, state, self._after.pending[on])
        if late:
            some = sorted(late)
            state = tuple(each[some] for each in self._state)
            table.scatter([self._rows[i] for i in some], state, self._pending[some])

    def _hand_over(self, i: int, k: int, text: str) -> bool:
        """Add the text that stream i, row k of the draw, has drawn.

        Returns:
            Whether it goes on from the end of the draw. Otherwise it goes back to the moment
            before the draw, and has tokens to read.
        """
        stream, tokens = self.streams[i], self._tokens[k]
        # A draw that began meanwhile has another scanner, which must see all characters in order.
        used = stream._add(text) if stream.scanner is self._scanners[i] else 0
        ended = used > 0 and tokens[used - 1] == self._mark
        if used == self._steps and not ended:
            stream.recent = self._after.recent[k]
            return True
        if stream.rule.sampling.repetition_penalty != 1:
            for token in tokens[:used].tolist():
                stream.recent = add(stream.recent, token)
        unread = tokens[used - 1 : used] if ended else tokens[:used]
        stream._give_back(unread, self._positions[i] + used)
        return False

    def _read(self, stepper: Stepper) -> None:
        """Read the texts, some of them empty, into the copies of the rows."""
        reading = [i for i, text in enumerate(self._texts) if len(text)]
        if not reading:
            return
        for i in reading:
            if self._texts[i][0] == self._mark:  # each document is read from the zero state
                self._pending[i] = NOTHING_READ
                for each in self._state:
                    each[i] = 0
        whole = [np.concatenate([self._pending[i : i + 1], self._texts[i]]) for i in reading]
        known = [text if text[0] >= 0 else text[1:] for text in whole]
        own = tuple(each[reading] for each in self._state)
        after = read_ragged(stepper, own, [text[:-1] for text in known])
        for each, part in zip(self._state, after, strict=True):
            each[reading] = part
        self._pending[reading] = [text[-1] for text in known]


def reading_length(streams: Sequence[PoolStream]) -> int:
    """Return how many tokens each stream reads at most in a tick of all these streams."""
    alone = all(sum(map(len, stream.unread)) > MAX_READ for stream in streams)
    return MAX_READ_ALONE if alone else MAX_READ


def _steps(streams: Sequence[PoolStream]) -> int:
    """Return how many characters a tick draws for each of these streams.

    A tick has a fixed cost, about that of two steps. If it ended with the stream that wants least,
    streams that began at different times would cut each other's ticks into small pieces. So a
    stream that may run ahead draws along with the one that wants most.
    """
    if not streams:
        return 0
    bounds = [stream.wanted for stream in streams if not stream.runs_ahead]
    return min(MAX_TICK, max(stream.wanted for stream in streams), *bounds)
