"""Many independent streams of text that are drawn in one batch."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NoReturn, Self, Unpack

import numpy as np
from numpy.typing import NDArray

from rnn_infer.errors import OptionError, PicklingError
from rnn_infer.runtime.state_table import StateTable
from rnn_infer.runtime.stepper import State, Stepper
from rnn_infer.runtime.streams import read_ragged
from rnn_infer.sampling import Sampling, SamplingKeywords, Uniforms, check_length, with_keywords
from rnn_infer.text.vocabulary import Unknown, Vocabulary

MAX_TICK = 32
"""Characters per stream and tick at most. A stream that joins waits no longer than for these."""
_CLOSED = -1


@dataclass(eq=False)
class PoolStream:
    """One stream of a pool. Open one with `StreamPool.open`.

    It draws the same text as the same prompt and seed alone. Different streams may be used by
    different threads at once; one stream is for one thread at a time.
    """

    pool: "StreamPool"
    """The pool of the stream."""
    row: int
    """The row of the pool's state table. -1: the stream is closed."""
    uniforms: Uniforms
    """The random numbers of the stream."""
    sampling: Sampling
    """How the stream draws."""
    unread: list[NDArray[np.int64]] = field(default_factory=list)
    """Tokens that were fed but not read yet."""
    wanted: int = 0
    """Characters that were asked for but not drawn yet."""
    drawn: list[str] = field(default_factory=list)
    """Text that was drawn but not returned yet."""

    def feed(self, text: str, *, unknown: Unknown = "default") -> None:
        """Add a text. The next tick reads it before it draws.

        Args:
            text: any text.
            unknown: what to do with characters outside the vocabulary, as in `CharLM.complete`.

        Raises:
            UnknownCharacterError: the text has a character outside the vocabulary.
            OptionError: the stream is closed.
        """
        self.pool._feed(self, text, unknown)

    def draw(self, length: int) -> str:
        """Return the next `length` characters.

        Calls of several threads at the same time share their batches.

        Raises:
            OptionError: `length` is not an integer of 0 or more, or the stream is closed.
        """
        return self.pool._draw(self, length)

    def _take_unread(self) -> NDArray[np.int64]:
        """Return the unread tokens [time], and forget them."""
        tokens = np.concatenate(self.unread) if self.unread else np.empty(0, np.int64)
        self.unread.clear()
        return tokens

    def _give_back(self, tokens: NDArray[np.int64], position: int) -> None:
        """Undo a failed tick: put back the tokens and the random numbers that it took."""
        self.unread.insert(0, tokens)
        self.uniforms.seek(position)

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied."""
        raise _no_pickle("a stream of a pool")

    def close(self) -> None:
        """Leave the pool. The row is free for the next stream."""
        self.pool._close(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class StreamPool:
    """Streams that join, leave, read and draw independently, but share their batches.

    Make one with `CharLM.pool`. Any number of threads may use it. A tick gathers the state rows of
    the streams that take part, runs one batch, and scatters the rows back. Its cost grows with
    these streams, not with the size of the pool.

    >>> with lm.pool() as pool:
    ...     romeo, juliet = pool.open("ROMEO:", seed=1), pool.open("JULIET:", seed=2)
    ...     texts = pool.tick(100)          # both draw 100 characters, in one batch
    ...     romeo.draw(50)                  # or one alone, from any thread
    """

    def __init__(self, stepper: Stepper, vocabulary: Vocabulary) -> None:
        self._stepper = stepper
        self._vocabulary = vocabulary
        self._turn = threading.Condition()
        self._ticking = False
        self._streams: set[PoolStream] = set()
        self._table = StateTable(stepper)

    def __len__(self) -> int:
        return len(self._streams)

    def open(
        self,
        prompt: str = "",
        *,
        seed: int,
        unknown: Unknown = "default",
        sampling: Sampling | None = None,
        **keywords: Unpack[SamplingKeywords],
    ) -> PoolStream:
        """Add a stream. The next tick reads its prompt.

        Args:
            prompt: an empty prompt stands for the file's start text.
            seed: the seed of the stream's random numbers.
            unknown: what to do with characters outside the vocabulary, as in `CharLM.complete`.
            sampling: how the stream draws.
            **keywords: fields of `Sampling`. A keyword replaces that field of `sampling`.

        Raises:
            OptionError: an option is out of range.
            UnknownCharacterError: the prompt has a character outside the vocabulary.
        """
        sampling = with_keywords(sampling, keywords)
        tokens = self._vocabulary.encode_prompt(prompt, unknown)
        stream = PoolStream(self, _CLOSED, Uniforms(seed), sampling, [tokens])
        with self._turn:
            stream.row = self._table.allocate()
            self._streams.add(stream)
        return stream

    def tick(
        self, length: int = 1, streams: Iterable[PoolStream] | None = None
    ) -> dict[PoolStream, str]:
        """Draw the next characters of many streams in one batch.

        Args:
            length: characters per stream.
            streams: the streams that take part. None: all of them.

        Returns:
            The drawn text of each stream.

        Raises:
            OptionError: `length` is not an integer of 0 or more, or a stream is closed.
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

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied."""
        raise _no_pickle("a pool")

    def close(self) -> None:
        """Close all streams."""
        for stream in list(self._streams):
            stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- calls of the streams -------------------------------------------------------------

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
                self._table.free(stream.row)
                stream.row, stream.wanted = _CLOSED, 0

    def _check(self, stream: PoolStream) -> None:
        if stream not in self._streams:
            raise OptionError("the stream is closed, or of another pool; open a new one")

    @staticmethod
    def _ask(stream: PoolStream, length: int) -> None:
        # A call that failed between two ticks may have left some text.
        stream.wanted += max(0, length - sum(map(len, stream.drawn)))

    @staticmethod
    def _take(stream: PoolStream, length: int) -> str:
        text = "".join(stream.drawn)
        stream.drawn[:] = [text[length:]]
        return text[:length]

    # --- scheduling: one thread ticks for all that wait -----------------------------------

    def _serve(self, mine: list[PoolStream]) -> None:
        """Return when the streams in `mine` have all the characters they want.

        The first thread that finds nobody ticking ticks for every waiting stream. The others
        sleep.
        """
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
        """Read what was fed, then draw as many characters as all of these streams still want.

        It works on copies of the rows and releases the lock meanwhile, so that other threads can
        join, feed and ask for the next tick.
        """
        rows = [stream.row for stream in streams]
        state, pending = self._table.gather(rows)
        texts = [stream._take_unread() for stream in streams]
        steps = min(MAX_TICK, *(stream.wanted for stream in streams))
        positions = [stream.uniforms.position for stream in streams]
        uniform = np.stack([stream.uniforms.take(steps) for stream in streams])
        sampling = [stream.sampling for stream in streams]
        try:
            with self._unlocked():
                _read(self._stepper, texts, state, pending)
                drawn, state = self._stepper.draw(pending[:, None], state, uniform, sampling)
        except BaseException:
            for stream, text, position in zip(streams, texts, positions, strict=True):
                stream._give_back(text, position)
            raise
        # A stream that was closed meanwhile has lost its row, perhaps to another stream.
        here = [i for i, stream in enumerate(streams) if stream.row == rows[i]]
        self._table.scatter(
            [rows[i] for i in here], tuple(each[here] for each in state), drawn[here, -1]
        )
        for i in here:
            streams[i].drawn.append(self._vocabulary.decode(drawn[i]))
            streams[i].wanted -= steps

    @contextmanager
    def _unlocked(self) -> Iterator[None]:
        self._turn.release()
        try:
            yield
        finally:
            self._turn.acquire()


def _no_pickle(what: str) -> PicklingError:
    return PicklingError(
        f"{what} belongs to one process: its rows and threads cannot be copied; pickle the CharLM "
        "and make a pool there, or use a Session, which can be pickled"
    )


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
