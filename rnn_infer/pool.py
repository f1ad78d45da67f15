"""Many independent streams of text that are drawn in one batch."""

import itertools
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from functools import cached_property
from typing import NoReturn, Self, Unpack

from rnn_infer.batch_worker import BatchWorker, Call
from rnn_infer.errors import OptionError
from rnn_infer.pool_stream import CLOSED, PoolStream, refusal
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
from rnn_infer.shared_batch import MAX_TICK, DrawRequest, SharedBatch
from rnn_infer.text.stopping import StopScanner
from rnn_infer.text.vocabulary import Unknown, Vocabulary


class StreamPool:
    """Streams that join, leave, read and draw independently, but share their batches.

    Make one with `CharLM.pool`. Any number of threads and tasks may use it. A tick gathers the
    state rows of the streams that take part, runs one batch, and scatters the rows back. Its cost
    grows with these streams, not with the size of the pool.

    Examples:
        >>> with lm.pool() as pool:
        ...     romeo, juliet = pool.open("ROMEO:", seed=1), pool.open("JULIET:", seed=2)
        ...     texts = pool.tick(100)          # both draw 100 characters, in one batch
        ...     romeo.draw(50)                  # or one alone, from any thread
    """

    def __init__(self, stepper: Stepper, vocabulary: Vocabulary) -> None:
        self._stepper = stepper
        self._vocabulary = vocabulary
        self._batch = SharedBatch(stepper, vocabulary)

    def __len__(self) -> int:
        return len(self._batch)

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
        stream = self._prepare(prompt, seed, unknown, with_keywords(sampling, keywords))
        self._batch.add(stream)
        return stream

    def tick(
        self, length: int = 1, streams: Iterable[PoolStream] | None = None
    ) -> dict[PoolStream, str]:
        """Draw the next characters of many streams in one batch.

        Args:
            length: characters per stream.
            streams: the streams that take part. None: all of them.

        Returns:
            The drawn text of each stream. A stream that is closed, before the tick or during it,
            has no entry, and does not disturb the others.

        Raises:
            OptionError: `length` is not an integer of 0 or more, or a stream is of another pool.
        """
        check_length(length)
        if not isinstance(streams, Iterable | None):
            raise OptionError(f"streams must be several streams of the pool, got {streams!r:.60}")
        chosen = self._batch.streams if streams is None else list(streams)
        if wrong := [each for each in chosen if not isinstance(each, PoolStream)]:
            raise OptionError(f"a stream is what open() returned, got {wrong[0]!r:.60}")
        if any(stream.pool is not self for stream in chosen):
            raise OptionError("a stream is of another pool; tick it there")
        return self._batch.tick(chosen, length)

    def stream(
        self,
        prompt: str = "",
        *,
        seed: int,
        length: int = DEFAULT_LENGTH,
        stop: str | Sequence[str] = (),
        unknown: Unknown = "default",
        chunk: int = STREAM_CHUNK,
        sampling: Sampling | None = None,
        **keywords: Unpack[SamplingKeywords],
    ) -> Iterator[str]:
        """Draw the text that follows a prompt, and yield it in pieces.

        The pieces are those of `CharLM.stream`, but iterations in several threads share their
        batches. The stream is closed when the iterator ends or is closed.

        Args:
            prompt, seed, unknown, sampling, **keywords: as in `open`.
            length: the number of characters to draw.
            stop: one or several texts. The text ends before the first of them that appears.
            chunk: characters drawn per piece. The text does not depend on it.

        Raises:
            OptionError: an option is out of range. It is raised before the first piece.
            UnknownCharacterError: the prompt has a character outside the vocabulary.
        """
        check_length(length)
        check_chunk(chunk)
        stream = self._prepare(prompt, seed, unknown, with_keywords(sampling, keywords))
        stream.runs_ahead = True
        scanner = StopScanner(self._vocabulary.stops(stop))
        return _pieces(self._batch, stream, length, scanner, chunk)

    def astream(
        self,
        prompt: str = "",
        *,
        seed: int,
        length: int = DEFAULT_LENGTH,
        stop: str | Sequence[str] = (),
        unknown: Unknown = "default",
        chunk: int = STREAM_CHUNK,
        sampling: Sampling | None = None,
        **keywords: Unpack[SamplingKeywords],
    ) -> AsyncGenerator[str, None]:
        """Draw the text that follows a prompt, and yield it in pieces, in a coroutine.

        Tasks that iterate at the same time share their batches, and the event loop does not wait.
        The next piece is drawn while the last one is used. The stream is closed when the iteration
        ends or its task is cancelled.

        Args:
            prompt, seed, length, stop, unknown, chunk, sampling, **keywords: as in `stream`.

        Raises:
            OptionError: an option is out of range. It is raised before the first piece.
            UnknownCharacterError: the prompt has a character outside the vocabulary.

        Examples:
            >>> async for piece in pool.astream("ROMEO:", seed=1, length=200, stop="\\n\\n"):
            ...     print(piece, end="")
        """
        check_length(length)
        check_chunk(chunk)
        stream = self._prepare(prompt, seed, unknown, with_keywords(sampling, keywords))
        stream.runs_ahead = True
        scanner = StopScanner(self._vocabulary.stops(stop))
        return _apieces(self._batch, self._worker, stream, length, scanner, chunk)

    def close(self) -> None:
        """Close all streams, and end the thread of the coroutines."""
        for stream in self._batch.streams:
            stream.close()
        self._worker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied."""
        raise refusal("a pool")

    # --- streams ----------------------------------------------------------------------

    def _prepare(self, prompt: str, seed: int, unknown: Unknown, sampling: Sampling) -> PoolStream:
        """Make a stream that has no row yet."""
        tokens = self._vocabulary.encode_prompt(prompt, unknown)
        rule = DrawRule.of(sampling, self._vocabulary)
        return PoolStream(self, CLOSED, Uniforms(seed), rule, [tokens])

    # --- calls of the streams -------------------------------------------------------------

    @cached_property
    def _worker(self) -> BatchWorker[DrawRequest]:
        return BatchWorker(_advance)

    def _feed(self, stream: PoolStream, text: str, unknown: Unknown) -> None:
        self._batch.feed(stream, self._vocabulary.encode(text, unknown))

    def _draw(self, stream: PoolStream, length: int) -> str:
        check_length(length)
        return self._batch.draw(stream, length)

    async def _adraw(self, stream: PoolStream, length: int) -> str:
        check_length(length)
        await self._worker.ask(DrawRequest(self._batch, stream, length))
        return self._batch.take(stream, length)

    def _close(self, stream: PoolStream) -> None:
        self._batch.remove(stream)


def _advance(calls: Sequence[Call[DrawRequest]]) -> None:
    """Answer calls of one pool. The calls hold the pool, and the worker does not."""
    calls[0].request.batch.advance(calls)


def _blocks(length: int, chunk: int) -> Iterator[int]:
    """Cut a length into the parts that are drawn at once: 1, 2, 4, … pieces.

    The first piece comes soon, and the later ones cost fewer ticks.
    """
    most, pieces = max(1, MAX_TICK // chunk), 1
    while length:
        yield min(pieces * chunk, length)
        length -= min(pieces * chunk, length)
        pieces = min(2 * pieces, most)


def _pieces(
    batch: SharedBatch, stream: PoolStream, length: int, scanner: StopScanner, chunk: int
) -> Iterator[str]:
    batch.add(stream)
    with stream:
        for block in _blocks(length, chunk):
            pieces, stopped = _scanned(scanner, batch.draw(stream, block), chunk)
            yield from pieces
            if stopped:
                return
        if rest := scanner.rest():
            yield rest


async def _apieces(
    batch: SharedBatch,
    worker: BatchWorker[DrawRequest],
    stream: PoolStream,
    length: int,
    scanner: StopScanner,
    chunk: int,
) -> AsyncGenerator[str, None]:
    batch.add(stream)
    blocks = itertools.chain(_blocks(length, chunk), [0])
    drawing = worker.ask(DrawRequest(batch, stream, min(chunk, length)))
    try:
        for block, following in itertools.pairwise(blocks):
            await drawing
            pieces, stopped = _scanned(scanner, batch.take(stream, block), chunk)
            if following and not stopped:
                drawing = worker.ask(DrawRequest(batch, stream, following))
            for piece in pieces:
                yield piece
            if stopped:
                return
        if rest := scanner.rest():
            yield rest
    finally:
        drawing.cancel()
        stream.close()


def _scanned(scanner: StopScanner, text: str, chunk: int) -> tuple[list[str], bool]:
    """Cut a text into pieces, up to a stop text. Return them, and whether one was found."""
    pieces = []
    for begin in range(0, len(text), chunk):
        scanned = scanner.scan(text[begin : begin + chunk])
        if scanned.text:
            pieces.append(scanned.text)
        if scanned.stopped is not None:
            return pieces, True
    return pieces, False
