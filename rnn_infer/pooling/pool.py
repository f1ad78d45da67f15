"""Many independent streams of text that are drawn in one batch."""

from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from functools import cached_property
from typing import NoReturn, Self, Unpack

from rnn_infer.batch_worker import BatchWorker, Call
from rnn_infer.errors import OptionError
from rnn_infer.pooling.pieces import Pieces
from rnn_infer.pooling.places import check_timeout
from rnn_infer.pooling.pool_stream import CLOSED, PoolStream, refusal
from rnn_infer.pooling.shared_batch import DrawRequest, SharedBatch
from rnn_infer.runtime.draw_rule import DrawRule
from rnn_infer.runtime.stepper import Stepper
from rnn_infer.sampling import (
    DEFAULT_LENGTH,
    STREAM_CHUNK,
    Sampling,
    SamplingKeywords,
    Uniforms,
    check_chunk,
    check_length,
    with_keywords,
)
from rnn_infer.text.stopping import StopScanner
from rnn_infer.text.vocabulary import Unknown, Vocabulary


class DrawKeywords(SamplingKeywords, total=False):
    """How a stream reads its prompt and draws, as keywords of a call."""

    unknown: Unknown
    sampling: Sampling | None


class StreamKeywords(DrawKeywords, total=False):
    """Keywords of `StreamPool.stream`."""

    timeout: float | None
    length: int
    stop: str | Sequence[str]
    chunk: int


class StreamPool:
    """Streams that join, leave, read and draw independently, but share their batches.

    Make one with `CharLM.pool`. Any number of threads and tasks may use it. With a limit, no more
    streams than that are open; others can wait in turn until one is closed. A tick gathers the
    state rows of the streams that take part, runs one batch, and scatters the rows back. Its cost
    grows with these streams, not with the size of the pool.

    Examples:
        >>> with lm.pool() as pool:
        ...     romeo, juliet = pool.open("ROMEO:", seed=1), pool.open("JULIET:", seed=2)
        ...     texts = pool.tick(100)          # both draw 100 characters, in one batch
        ...     romeo.draw(50)                  # or one alone, from any thread
    """

    def __init__(
        self,
        stepper: Stepper,
        vocabulary: Vocabulary,
        limit: int | None = None,
        threads: int = 1,
    ) -> None:
        self._stepper = stepper
        self._vocabulary = vocabulary
        self._batch = SharedBatch(stepper, vocabulary, limit, threads)

    def __len__(self) -> int:
        return len(self._batch)

    @property
    def limit(self) -> int | None:
        """How many streams may be open at once. None: any number."""
        return self._batch.places.limit

    def open(
        self,
        prompt: str = "",
        *,
        seed: int,
        unknown: Unknown = "default",
        timeout: float | None = 0,
        sampling: Sampling | None = None,
        **keywords: Unpack[SamplingKeywords],
    ) -> PoolStream:
        """Add a stream. The next tick reads its prompt.

        Args:
            prompt: an empty prompt stands for the file's start text.
            seed: the seed of the stream's random numbers.
            unknown: what to do with characters outside the vocabulary, as in `CharLM.complete`.
            timeout: seconds to wait, if the pool has as many streams as its limit allows. Those
                that wait get a row in the order in which they came. None: as long as it takes.
            sampling: how the stream draws.
            **keywords: fields of `Sampling`. A keyword replaces that field of `sampling`.

        Raises:
            OptionError: an option is out of range, or the pool was closed while this waited.
            PoolFullError: no stream was closed in time.
            UnknownCharacterError: the prompt has a character outside the vocabulary.
        """
        stream = self._prepare(prompt, seed, unknown, sampling, **keywords)
        self._batch.add(stream, timeout)
        return stream

    async def aopen(
        self,
        prompt: str = "",
        *,
        seed: int,
        timeout: float | None = 0,
        **options: Unpack[DrawKeywords],
    ) -> PoolStream:
        """Add a stream in a coroutine. The event loop does not wait for a row.

        If the task is cancelled while it waits, it loses its turn and nothing else.

        Args:
            prompt, seed, timeout, **options: as in `open`, and so are the errors.

        Examples:
            >>> with await pool.aopen("ROMEO:", seed=1, timeout=5) as stream:
            ...     print(await stream.adraw(200, stop="\n\n"))
        """
        stream = self._prepare(prompt, seed, **options)
        await self._batch.aadd(stream, timeout)
        return stream

    def tick(
        self, length: int = 1, streams: Iterable[PoolStream] | None = None
    ) -> dict[PoolStream, str]:
        """Draw the next characters of many streams in one batch.

        Args:
            length: characters per stream.
            streams: the streams that take part. None: all that no other call draws from.

        Returns:
            The drawn text of each stream. It is shorter if the model knows documents and the
            document ends; `PoolStream.stopped` tells. A stream that is closed, before the tick or
            during it, has no entry, and does not disturb the others.

        Raises:
            OptionError: `length` is not an integer of 0 or more, or a stream is of another pool,
                or another thread or task draws from it.
        """
        check_length(length)
        if not isinstance(streams, Iterable | None):
            raise OptionError(f"streams must be several streams of the pool, got {streams!r:.60}")
        chosen = None if streams is None else list(streams)
        for stream in chosen or []:
            if not isinstance(stream, PoolStream):
                raise OptionError(f"a stream is what open() returned, got {stream!r:.60}")
            if stream.pool is not self:
                raise OptionError("a stream is of another pool; tick it there")
        return self._batch.tick(chosen, length, self._vocabulary.stops(()))

    def stream(
        self, prompt: str = "", *, seed: int, **options: Unpack[StreamKeywords]
    ) -> Iterator[str]:
        """Draw the text that follows a prompt, and yield it in pieces.

        The pieces are those of `CharLM.stream`, but iterations in several threads share their
        batches. The stream is opened at the first piece. It is closed when the iterator ends, is
        closed or is dropped.

        Args:
            prompt, seed: as in `open`.
            **options: the other keywords of `open`; and `length`, `stop` and `chunk`, as in
                `CharLM.stream`.

        Raises:
            OptionError: an option is out of range. It is raised before the first piece.
            PoolFullError: no stream was closed in time. It is raised at the first piece.
            UnknownCharacterError: the prompt has a character outside the vocabulary.
        """
        return self._pieces(prompt, seed, **options).draw()

    def astream(
        self, prompt: str = "", *, seed: int, **options: Unpack[StreamKeywords]
    ) -> AsyncGenerator[str, None]:
        """Draw the text that follows a prompt, and yield it in pieces, in a coroutine.

        Tasks that iterate at the same time share their batches, and the event loop does not wait.
        The next piece is drawn while the last one is used. The stream is closed when the iteration
        ends or its task is cancelled.

        Args:
            prompt, seed, **options: as in `stream`.

        Raises:
            OptionError: an option is out of range. It is raised before the first piece.
            PoolFullError: no stream was closed in time. It is raised at the first piece.
            UnknownCharacterError: the prompt has a character outside the vocabulary.

        Examples:
            >>> async for piece in pool.astream("ROMEO:", seed=1, length=200, stop="\\n\\n"):
            ...     print(piece, end="")
        """
        return self._pieces(prompt, seed, **options).adraw(self._worker)

    def close(self) -> None:
        """Close all streams, refuse those that wait for a row, and end the pool's threads."""
        self._batch.close()
        self._worker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied."""
        raise refusal("a pool")

    # --- streams ----------------------------------------------------------------------

    def _prepare(
        self,
        prompt: str,
        seed: int,
        unknown: Unknown = "default",
        sampling: Sampling | None = None,
        **keywords: Unpack[SamplingKeywords],
    ) -> PoolStream:
        """Make a stream that has no row yet."""
        tokens = self._vocabulary.encode_prompt(prompt, unknown)
        rule = DrawRule.of(with_keywords(sampling, keywords), self._vocabulary)
        return PoolStream(self, CLOSED, Uniforms(seed), rule, unread=[tokens])

    def _pieces(
        self,
        prompt: str,
        seed: int,
        length: int = DEFAULT_LENGTH,
        stop: str | Sequence[str] = (),
        chunk: int = STREAM_CHUNK,
        timeout: float | None = 0,
        **options: Unpack[DrawKeywords],
    ) -> Pieces:
        """Make the pieces of a text that nobody draws yet."""
        check_length(length)
        check_chunk(chunk)
        check_timeout(timeout)
        stream = self._prepare(prompt, seed, **options)
        stream.runs_ahead = True
        scanner = StopScanner(stream.rule.stops(stop, self._vocabulary))
        return Pieces(self._batch, stream, length, scanner, chunk, timeout)

    # --- calls of the streams -------------------------------------------------------------

    @cached_property
    def _worker(self) -> BatchWorker[DrawRequest]:
        return BatchWorker(_advance)

    def _feed(self, stream: PoolStream, text: str, unknown: Unknown) -> None:
        self._batch.feed(stream, self._vocabulary.encode(text, unknown))

    def _draw(self, stream: PoolStream, length: int, stop: str | Sequence[str]) -> str:
        check_length(length)
        return self._batch.draw(stream, length, stream.rule.stops(stop, self._vocabulary))

    async def _adraw(self, stream: PoolStream, length: int, stop: str | Sequence[str]) -> str:
        check_length(length)
        request = self._batch.request(stream, length, stream.rule.stops(stop, self._vocabulary))
        try:
            await self._worker.ask(request)
        except BaseException:  # the task was cancelled, or the tick failed
            self._batch.give_up(request)
            raise
        return self._batch.take(stream)

    def _close(self, stream: PoolStream) -> None:
        self._batch.remove(stream)


def _advance(calls: Sequence[Call[DrawRequest]]) -> None:
    """Answer calls of one pool. The calls hold the pool, and the worker does not."""
    calls[0].request.batch.advance(calls)
