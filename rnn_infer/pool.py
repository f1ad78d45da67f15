"""Many streams of text at once, each on its own, all stepped in one batch."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rnn_infer.errors import OptionError
from rnn_infer.runtime.stepper import State, Stepper
from rnn_infer.runtime.streams import read_ragged
from rnn_infer.sampling import Sampling, Uniforms, check_length
from rnn_infer.text.vocabulary import Unknown, Vocabulary

MAX_TICK = 32
"""Characters a tick draws at most, so that a stream that joins waits no longer than for these."""
_FIRST_ROWS = 16


@dataclass(eq=False)
class PoolStream:
    """One stream of a pool. Its text is what the same prompt and seed give alone.

    Made by `StreamPool.open`. Threads may use different streams of a pool at will; one stream is
    for one thread at a time.
    """

    pool: "StreamPool"
    row: int
    """Where the pool keeps its state; -1 once closed."""
    uniforms: Uniforms
    sampling: Sampling
    unread: list[NDArray[np.int64]] = field(default_factory=list)
    """Fed and not read yet."""
    wanted: int = 0
    """Characters asked for and not drawn yet."""
    drawn: list[str] = field(default_factory=list)
    """Drawn and not taken yet."""

    def feed(self, text: str, *, unknown: Unknown = "default") -> None:
        """Reads a text, with the next tick.

        Raises:
            UnknownCharacterError: see `Vocabulary.encode`.
            OptionError: the stream is closed.
        """
        self.pool._feed(self, text, unknown)

    def draw(self, length: int) -> str:
        """The next `length` characters; batched with what other threads ask for meanwhile.

        Raises:
            OptionError: `length` is no count, or the stream is closed.
        """
        return self.pool._draw(self, length)

    def take_unread(self) -> NDArray[np.int64]:
        """What was fed since this was last asked."""
        tokens = np.concatenate(self.unread) if self.unread else np.empty(0, np.int64)
        self.unread.clear()
        return tokens

    def give_back(self, tokens: NDArray[np.int64], position: int) -> None:
        """Undoes a tick that failed: text it did not read, random numbers it did not use."""
        self.unread.insert(0, tokens)
        self.uniforms.seek(position)

    def close(self) -> None:
        """Leaves the pool; its row is free for the next."""
        self.pool._close(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class StreamPool:
    """Streams that join, leave, read and draw independently, and are stepped together.

    A tick gathers the rows of the streams that take part, runs one batch, and scatters them
    back: its cost grows with those, not with the pool. Made by `CharLM.pool`; safe for any
    number of threads.

    >>> with lm.pool() as pool:
    ...     romeo, juliet = pool.open("ROMEO:", seed=1), pool.open("JULIET:", seed=2)
    ...     texts = pool.tick(100)          # both draw 100 characters, in one batch
    ...     romeo.draw(50)                  # or one by one, from any thread
    """

    def __init__(self, stepper: Stepper, vocabulary: Vocabulary, start: str) -> None:
        self._stepper = stepper
        self._vocabulary = vocabulary
        self._start = vocabulary.encode(start)
        self._turn = threading.Condition()
        self._ticking = False
        self._streams: set[PoolStream] = set()
        self._free = list(range(_FIRST_ROWS))[::-1]
        self._state: State = stepper.zeros(_FIRST_ROWS)
        self._pending = np.full(_FIRST_ROWS, -1, np.int64)
        """Each row's last token, which is read with the next; -1: nothing was read yet."""

    def __len__(self) -> int:
        return len(self._streams)

    def open(
        self,
        prompt: str = "",
        *,
        seed: int,
        temperature: float = 0.8,
        top_k: int = 0,
        top_p: float = 1.0,
        unknown: Unknown = "default",
    ) -> PoolStream:
        """A new stream, which will read `prompt` (empty: the file's start text) first.

        Raises:
            OptionError: an option is out of range.
            UnknownCharacterError: the prompt holds one.
        """
        sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p)
        tokens = self._vocabulary.encode(prompt, unknown)
        stream = PoolStream(self, -1, Uniforms(seed), sampling)
        stream.unread.append(tokens if len(tokens) else self._start)
        with self._turn:
            if not self._free:
                self._grow()
            stream.row = self._free.pop()
            for each in self._state:
                each[stream.row] = 0
            self._pending[stream.row] = -1
            self._streams.add(stream)
        return stream

    def tick(
        self, length: int = 1, streams: Iterable[PoolStream] | None = None
    ) -> dict[PoolStream, str]:
        """Draws the next `length` characters of all streams, or of some, in one batch.

        Raises:
            OptionError: `length` is no count of 1 or more, or a stream is closed.
        """
        check_length(length)
        with self._turn:
            chosen = list(self._streams if streams is None else dict.fromkeys(streams))
            for stream in chosen:
                self._check(stream)
            for stream in chosen:
                self._ask(stream, length)
            self._serve(chosen)
            return {stream: self._take(stream, length) for stream in chosen}

    def close(self) -> None:
        """Closes all streams."""
        for stream in list(self._streams):
            stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- called by streams ----------------------------------------------------------------

    def _feed(self, stream: PoolStream, text: str, unknown: Unknown) -> None:
        tokens = self._vocabulary.encode(text, unknown)
        with self._turn:
            self._check(stream)
            if len(tokens):
                stream.unread.append(tokens)

    def _draw(self, stream: PoolStream, length: int) -> str:
        check_length(length)
        with self._turn:
            self._check(stream)
            self._ask(stream, length)
            self._serve([stream])
            return self._take(stream, length)

    def _close(self, stream: PoolStream) -> None:
        with self._turn:
            if stream in self._streams:
                self._streams.remove(stream)
                self._free.append(stream.row)
                stream.row, stream.wanted = -1, 0

    # --- the one that ticks works for all -------------------------------------------------

    def _serve(self, mine: list[PoolStream]) -> None:
        """Returns once `mine` have all they want. Whoever comes while nobody ticks does the
        ticking, for everyone who waits; the others sleep."""
        while any(stream.wanted for stream in mine):
            if self._ticking:
                self._turn.wait()
                continue
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
        """Reads what was fed, and draws as many characters as all of these still want.

        Works on copies of their rows with the lock let go, so that others can join, feed and ask
        meanwhile, and be in the next tick.
        """
        rows = [stream.row for stream in streams]
        state = tuple(each[rows] for each in self._state)
        pending = self._pending[rows]
        texts = [stream.take_unread() for stream in streams]
        steps = min(MAX_TICK, *(stream.wanted for stream in streams))
        positions = [stream.uniforms.position for stream in streams]
        uniform = np.stack([stream.uniforms.take(steps) for stream in streams])
        sampling = [stream.sampling for stream in streams]
        try:
            with self._let_go():
                self._read(texts, state, pending)
                drawn, state = self._stepper.draw(pending[:, None], state, uniform, sampling)
        except BaseException:
            for stream, text, position in zip(streams, texts, positions, strict=True):
                stream.give_back(text, position)
            raise
        # A stream that was closed meanwhile has no row any more; another may have it.
        here = [i for i, stream in enumerate(streams) if stream.row == rows[i]]
        kept = [rows[i] for i in here]
        for whole, part in zip(self._state, state, strict=True):
            whole[kept] = part[here]
        self._pending[kept] = drawn[here, -1]
        for i in here:
            streams[i].drawn.append(self._vocabulary.decode(drawn[i]))
            streams[i].wanted -= steps

    def _read(
        self, texts: list[NDArray[np.int64]], state: State, pending: NDArray[np.int64]
    ) -> None:
        """Reads texts, some empty, into rows of `state` and `pending`, in place."""
        reading = [i for i, text in enumerate(texts) if len(text)]
        if not reading:
            return
        whole = [np.concatenate([[pending[i]], texts[i]]) for i in reading]
        known = [text if text[0] >= 0 else text[1:] for text in whole]
        own = tuple(each[reading] for each in state)
        after = read_ragged(self._stepper, own, [text[:-1] for text in known])
        for each, part in zip(state, after, strict=True):
            each[reading] = part
        pending[reading] = [text[-1] for text in known]

    @contextmanager
    def _let_go(self) -> Iterator[None]:
        self._turn.release()
        try:
            yield
        finally:
            self._turn.acquire()

    def _grow(self) -> None:
        size = len(self._pending)
        self._state = tuple(np.concatenate([each, np.zeros_like(each)]) for each in self._state)
        self._pending = np.concatenate([self._pending, np.full(size, -1, np.int64)])
        self._free = list(range(size, 2 * size))[::-1]

    def _check(self, stream: PoolStream) -> None:
        if stream not in self._streams:
            raise OptionError("the stream is closed, or of another pool; open a new one")

    @staticmethod
    def _ask(stream: PoolStream, length: int) -> None:
        # Some may be left from a call that failed between two ticks.
        stream.wanted += max(0, length - sum(map(len, stream.drawn)))

    @staticmethod
    def _take(stream: PoolStream, length: int) -> str:
        text = "".join(stream.drawn)
        stream.drawn[:] = [text[length:]]
        return text[:length]
