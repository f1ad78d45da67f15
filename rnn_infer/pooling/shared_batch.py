"""The batch that the streams of a pool share: who waits, and who computes.

All threads that wait for characters meet here. One of them ticks for all.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnn_infer.batch_worker import Call
from rnn_infer.errors import OptionError
from rnn_infer.pooling.crew import Crew
from rnn_infer.pooling.places import Places
from rnn_infer.pooling.pool_stream import CLOSED, PoolStream
from rnn_infer.pooling.tick import Tick, reading_length
from rnn_infer.runtime.state_table import StateTable
from rnn_infer.runtime.stepper import Stepper
from rnn_infer.text.vocabulary import Vocabulary


class DrawRequest(NamedTuple):
    """A request of a coroutine: the characters of a draw that was begun."""

    batch: "SharedBatch"
    stream: PoolStream
    draw: int
    """The number of the draw."""


class SharedBatch:
    """The open streams of a pool, and their states. Any number of threads may use it."""

    def __init__(
        self,
        stepper: Stepper,
        vocabulary: Vocabulary,
        limit: int | None = None,
        threads: int = 1,
    ) -> None:
        self._stepper = stepper
        self._vocabulary = vocabulary
        self._turn = threading.Condition()
        self._ticking = False
        self._streams: set[PoolStream] = set()
        self._table = StateTable(stepper)
        self._crew = Crew(threads)
        self.places = Places(limit)

    def __len__(self) -> int:
        return len(self._streams)

    @property
    def streams(self) -> list[PoolStream]:
        """The open streams."""
        with self._turn:
            return list(self._streams)

    def add(self, stream: PoolStream, timeout: float | None = 0) -> None:
        """Give a stream a row, and wait for one if need be. Errors: as in `Places.take`."""
        self.places.take(timeout)
        self._enter(stream)

    async def aadd(self, stream: PoolStream, timeout: float | None = 0) -> None:
        """Give a stream a row, in a coroutine. Errors: as in `Places.take`."""
        await self.places.atake(timeout)
        self._enter(stream)

    def remove(self, stream: PoolStream) -> None:
        """Free the row of a stream. A closed stream is left as it is."""
        with self._turn:
            if stream not in self._streams:
                return
            self._streams.remove(stream)
            self._table.free(stream.row)
            stream.row, stream.wanted = CLOSED, 0
            self._turn.notify_all()
        self.places.give_back()

    def close(self) -> None:
        """Close all streams, and refuse those that wait for a row."""
        self.places.refuse()
        for stream in self.streams:
            self.remove(stream)
        self._crew.close()

    def feed(self, stream: PoolStream, tokens: NDArray[np.int64]) -> None:
        """Add tokens [time] that the next tick reads.

        Raises:
            OptionError: the stream is closed, or has characters that follow a stop text.
        """
        with self._turn:
            self._check(stream)
            if stream.stopped is not None and any(stream.drawn):
                raise OptionError(
                    "a cancelled draw has left characters after the stop text; draw them first"
                )
            if len(tokens):
                stream.unread.append(tokens)

    def draw(self, stream: PoolStream, length: int, stops: Sequence[str] = ()) -> str:
        """Return the next characters of a stream: `length`, or fewer if a stop text ends them.

        Raises:
            OptionError: the stream is closed, or another draw is in progress.
        """
        with self._turn:
            self._check(stream)
            stream._begin(length, stops)
            self._serve([stream])
            return self.take(stream)

    def tick(
        self, streams: Sequence[PoolStream] | None, length: int, stops: Sequence[str] = ()
    ) -> dict[PoolStream, str]:
        """Return the next characters of some streams. Closed streams are left out.

        Args:
            streams: None: all that no other call draws from.
            length, stops: as in `draw`.
        """
        with self._turn:
            if streams is None:
                known = list(self._streams)
                streams = [each for each in known if not each.busy and not each.runs_ahead]
            chosen = [stream for stream in dict.fromkeys(streams) if stream in self._streams]
            for stream in sorted(chosen, key=lambda each: each.busy, reverse=True):
                stream._begin(length, stops)  # it fails at once, or not at all
            self._serve(chosen)
            return {stream: self.take(stream) for stream in chosen if stream in self._streams}

    def request(self, stream: PoolStream, length: int, stops: Sequence[str] = ()) -> DrawRequest:
        """Begin a draw of a coroutine. Arguments and errors: as in `draw`."""
        with self._turn:
            self._check(stream)
            stream._begin(length, stops)
            return DrawRequest(self, stream, stream.draws)

    def give_up(self, request: DrawRequest) -> None:
        """End a draw that was cancelled, or failed. What it has drawn is left for the next."""
        with self._turn:
            if request.stream.draws == request.draw:
                request.stream._give_up()

    def take(self, stream: PoolStream) -> str:
        """Return the characters of a draw that has all of them.

        Raises:
            OptionError: the stream is closed.
        """
        with self._turn:
            self._check(stream)
            return stream._end()

    def advance(self, calls: Sequence[Call[DrawRequest]]) -> None:
        """Tick once for the calls of coroutines. Finish those that have all their characters.

        The callers take the characters. So those of a cancelled call are not lost.
        """
        with self._turn:
            for call in calls:
                if call.cancelled:
                    self.give_up(call.request)
                    call.finish()
            going = [call for call in calls if not call.done]
            if self._ticking:
                self._turn.wait()
            elif any(call.request.stream.wanted for call in going):
                self._tick_once()
            for call in going:
                if call.request.stream not in self._streams:
                    call.fail(_closed())
                elif not call.request.stream.wanted:
                    call.finish()

    def _check(self, stream: PoolStream) -> None:
        if stream not in self._streams:
            raise _closed()

    def _enter(self, stream: PoolStream) -> None:
        """Give a row to a stream that has a place."""
        try:
            with self._turn:
                stream.row = self._table.allocate()
                self._streams.add(stream)
        except BaseException:
            self.places.give_back()
            raise

    # --- scheduling: one thread ticks for all that wait -----------------------------------

    def _serve(self, mine: list[PoolStream]) -> None:
        """Return when the streams in `mine` have all the characters they want.

        The first thread that finds nobody ticking ticks for every waiting stream. The others
        sleep.
        """
        try:
            while any(stream.wanted for stream in mine):
                if self._ticking:
                    self._turn.wait()
                else:
                    self._tick_once()
        except BaseException:
            for stream in mine:
                stream._give_up()
            raise

    def _tick_once(self) -> None:
        """Tick for all that wait.

        It releases the lock while it computes, so that other threads can join, feed and ask for
        the next tick.
        """
        self._ticking = True
        try:
            self._write(self._computed())
        finally:
            self._ticking = False
            self._turn.notify_all()

    def _computed(self) -> list[Tick]:
        """Return the ticks of all shares. If one fails, none has taken anything."""
        waiting = [stream for stream in list(self._streams) if stream.wanted]
        most, ticks = reading_length(waiting), list[Tick]()
        try:
            for share in self._crew.shares(waiting):
                ticks.append(Tick(share, self._table, self._vocabulary.mark, most))
            model = self._stepper, self._vocabulary
            with _unlocked(self._turn):
                self._crew.run([partial(tick.compute, *model) for tick in ticks])
        except BaseException:
            for tick in ticks:
                tick.undo()
            raise
        return ticks

    def _write(self, ticks: list[Tick]) -> None:
        """Write ticks. If that fails, their streams are closed: text and state may not fit."""
        try:
            for tick in ticks:
                tick.write(self._table)
        except BaseException:
            for tick in ticks:
                for stream in tick.streams:
                    self.remove(stream)
            raise


@contextmanager
def _unlocked(lock: threading.Condition) -> Iterator[None]:
    lock.release()
    try:
        yield
    finally:
        lock.acquire()


def _closed() -> OptionError:
    return OptionError("the stream is closed, or of another pool; open a new one")
