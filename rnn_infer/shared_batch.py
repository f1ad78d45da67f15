"""The batch that the streams of a pool share: who waits, and who computes.

All threads that wait for characters meet here. One of them ticks for all.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnn_infer.batch_worker import Call
from rnn_infer.errors import OptionError
from rnn_infer.pool_stream import CLOSED, PoolStream
from rnn_infer.runtime.drawing import Moment, draw_tokens
from rnn_infer.runtime.reading import read_ragged
from rnn_infer.runtime.state_table import StateTable
from rnn_infer.runtime.stepper import State, Stepper
from rnn_infer.text.vocabulary import Vocabulary

MAX_TICK = 32
"""Characters per stream and tick at most. A stream that joins waits no longer than for these."""


class DrawRequest(NamedTuple):
    """A request of a coroutine: `length` characters of a stream."""

    batch: "SharedBatch"
    stream: PoolStream
    length: int


class SharedBatch:
    """The open streams of a pool, and their states. Any number of threads may use it."""

    def __init__(self, stepper: Stepper, vocabulary: Vocabulary) -> None:
        self._stepper = stepper
        self._vocabulary = vocabulary
        self._turn = threading.Condition()
        self._ticking = False
        self._streams: set[PoolStream] = set()
        self._table = StateTable(stepper)

    def __len__(self) -> int:
        return len(self._streams)

    @property
    def streams(self) -> list[PoolStream]:
        """The open streams."""
        with self._turn:
            return list(self._streams)

    def add(self, stream: PoolStream) -> None:
        """Give a stream a row."""
        with self._turn:
            stream.row = self._table.allocate()
            self._streams.add(stream)

    def remove(self, stream: PoolStream) -> None:
        """Free the row of a stream. A closed stream is left as it is."""
        with self._turn:
            if stream in self._streams:
                self._streams.remove(stream)
                self._table.free(stream.row)
                stream.row, stream.wanted = CLOSED, 0
                self._turn.notify_all()

    def feed(self, stream: PoolStream, tokens: NDArray[np.int64]) -> None:
        """Add tokens [time] that the next tick reads.

        Raises:
            OptionError: the stream is closed.
        """
        with self._turn:
            self._check(stream)
            if len(tokens):
                stream.unread.append(tokens)

    def draw(self, stream: PoolStream, length: int) -> str:
        """Return the next `length` characters of a stream.

        Raises:
            OptionError: the stream is closed.
        """
        with self._turn:
            self._check(stream)
            self._ask(stream, length)
            self._serve([stream])
            return self.take(stream, length)

    def tick(self, streams: Sequence[PoolStream], length: int) -> dict[PoolStream, str]:
        """Return the next `length` characters of some streams. Closed streams are left out."""
        with self._turn:
            chosen = [stream for stream in dict.fromkeys(streams) if stream in self._streams]
            for stream in chosen:
                self._ask(stream, length)
            self._serve(chosen)
            return {stream: stream._take(length) for stream in chosen if stream in self._streams}

    def take(self, stream: PoolStream, length: int) -> str:
        """Return the characters that were drawn for a stream.

        Raises:
            OptionError: the stream is closed.
        """
        with self._turn:
            self._check(stream)
            return stream._take(length)

    def advance(self, calls: Sequence[Call[DrawRequest]]) -> None:
        """Tick once for the calls of coroutines. Finish those that have all their characters.

        The callers take the characters. So those of a cancelled call are not lost.
        """
        with self._turn:
            for call in calls:
                if call.cancelled:
                    call.request.stream.wanted = 0
                    call.finish()
            going = [call for call in calls if not call.done]
            streams = [call.request.stream for call in going]
            for call in going:
                self._want(call.request.stream, call.request.length)
            if self._ticking:
                self._turn.wait()
            elif any(stream.wanted for stream in streams):
                self._tick_for(streams)
            for call in going:
                if call.request.stream not in self._streams:
                    call.fail(_closed())
                elif not call.request.stream.wanted:
                    call.finish()

    def _check(self, stream: PoolStream) -> None:
        if stream not in self._streams:
            raise _closed()

    @staticmethod
    def _ask(stream: PoolStream, length: int) -> None:
        # A call that failed between two ticks may have left some text.
        stream.wanted += max(0, length - sum(map(len, stream.drawn)))

    def _want(self, stream: PoolStream, length: int) -> None:
        if stream in self._streams:
            stream.wanted = max(0, length - sum(map(len, stream.drawn)))

    # --- scheduling: one thread ticks for all that wait -----------------------------------

    def _serve(self, mine: list[PoolStream]) -> None:
        """Return when the streams in `mine` have all the characters they want.

        The first thread that finds nobody ticking ticks for every waiting stream. The others
        sleep.
        """
        while any(stream.wanted for stream in mine):
            if self._ticking:
                self._turn.wait()
            else:
                self._tick_for(mine)

    def _tick_for(self, mine: list[PoolStream]) -> None:
        """Tick once for all that wait. If it fails, the streams in `mine` want nothing more."""
        self._ticking = True
        try:
            self._tick([stream for stream in self._streams if stream.wanted])
        except BaseException:
            for stream in mine:
                stream.wanted = 0
            raise
        finally:
            self._ticking = False
            self._turn.notify_all()

    def _tick(self, streams: list[PoolStream]) -> None:
        """Read what was fed, then draw the same number of characters for each of these streams.

        It works on copies of the rows and releases the lock meanwhile, so that other threads can
        join, feed and ask for the next tick.
        """
        rows = [stream.row for stream in streams]
        state, pending = self._table.gather(rows)
        texts = [stream._take_unread() for stream in streams]
        steps = _steps(streams)
        positions = [stream.uniforms.position for stream in streams]
        uniform = np.stack([stream.uniforms.take(steps) for stream in streams])
        rules = [stream.rule for stream in streams]
        recent = [stream.recent for stream in streams]
        try:
            with self._unlocked():
                _read(self._stepper, texts, state, pending)
                start = Moment(pending, state, recent)
                drawn, after = draw_tokens(self._stepper, start, uniform, rules)
        except BaseException:
            for stream, text, position in zip(streams, texts, positions, strict=True):
                stream._give_back(text, position)
            raise
        # A stream that was closed meanwhile has lost its row, perhaps to another stream.
        here = [i for i, stream in enumerate(streams) if stream.row == rows[i]]
        self._table.scatter(
            [rows[i] for i in here], tuple(each[here] for each in after.state), drawn[here, -1]
        )
        whole = self._vocabulary.decode(drawn.ravel())  # one call for all rows
        for i in here:
            streams[i].recent = after.recent[i]
            streams[i].drawn.append(whole[i * steps : (i + 1) * steps])
            # A call that was cancelled meanwhile wants nothing more.
            streams[i].wanted = max(0, streams[i].wanted - steps)

    @contextmanager
    def _unlocked(self) -> Iterator[None]:
        self._turn.release()
        try:
            yield
        finally:
            self._turn.acquire()


def _steps(streams: list[PoolStream]) -> int:
    """Return how many characters a tick draws for each of these streams.

    A tick has a fixed cost, about that of two steps. If it ended with the stream that wants least,
    streams that began at different times would cut each other's ticks into small pieces. So a
    stream that may run ahead draws along with the one that wants most.
    """
    bounds = [stream.wanted for stream in streams if not stream.runs_ahead]
    return min(MAX_TICK, max(stream.wanted for stream in streams), *bounds)


def _closed() -> OptionError:
    return OptionError("the stream is closed, or of another pool; open a new one")


def _read(
    stepper: Stepper, texts: list[NDArray[np.int64]], state: State, pending: NDArray[np.int64]
) -> None:
    """Read texts, some of them empty, into the rows of `state` and `pending`, in place."""
    reading = [i for i, text in enumerate(texts) if len(text)]
    if not reading:
        return
    whole = [np.concatenate([[pending[i]], texts[i]]) for i in reading]
    known = [text if text[0] >= 0 else text[1:] for text in whole]
    own = tuple(each[reading] for each in state)
    after = read_ragged(stepper, own, [text[:-1] for text in known])
    for each, part in zip(state, after, strict=True):
        each[reading] = part
    pending[reading] = [text[-1] for text in known]
