"""The text of one request in pieces: streams that are opened, drawn to their end and closed."""

from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rnn_infer.batch_worker import BatchWorker
from rnn_infer.pooling.pool_stream import PoolStream
from rnn_infer.pooling.shared_batch import DrawRequest, SharedBatch
from rnn_infer.pooling.tick import MAX_TICK
from rnn_infer.text.stopping import StopScanner

if TYPE_CHECKING:
    import asyncio  # imported late, because few programs need it


@dataclass(frozen=True)
class Pieces:
    """What a request draws, and how. It takes a place at its first piece, and gives it back."""

    batch: SharedBatch
    stream: PoolStream
    """The stream. It has no row yet."""
    length: int
    scanner: StopScanner
    chunk: int
    """Characters of a piece."""
    timeout: float | None
    """Seconds to wait for a place."""

    def draw(self) -> Iterator[str]:
        """Yield the pieces.

        Raises:
            PoolFullError: there was no place.
        """
        self.batch.add(self.stream, self.timeout)
        with self.stream:
            for block in self._blocks():
                pieces, stopped = self._scanned(self.batch.draw(self.stream, block))
                yield from pieces
                if stopped:
                    return
            if rest := self.scanner.rest():
                yield rest

    async def adraw(self, worker: BatchWorker[DrawRequest]) -> AsyncGenerator[str, None]:
        """Yield the pieces in a coroutine. The next is drawn while the last is used.

        Raises:
            PoolFullError: there was no place.
        """
        batch, stream = self.batch, self.stream
        await batch.aadd(stream, self.timeout)
        drawing = None
        try:
            blocks = self._blocks()
            drawing = self._ask(worker, next(blocks, 0))
            while drawing is not None:
                await drawing
                pieces, stopped = self._scanned(batch.take(stream))
                drawing = None if stopped else self._ask(worker, next(blocks, 0))
                for piece in pieces:
                    yield piece
                if stopped:
                    return
            if rest := self.scanner.rest():
                yield rest
        finally:
            if drawing is not None:
                drawing.cancel()
            stream.close()

    def _ask(self, worker: BatchWorker[DrawRequest], length: int) -> "asyncio.Future[None] | None":
        """Ask for the next characters, if there are any."""
        if not length:
            return None
        return worker.ask(self.batch.request(self.stream, length))

    def _blocks(self) -> Iterator[int]:
        """Cut the length into the parts that are drawn at once: 1, 2, 4, … pieces.

        The first piece comes soon, and the later ones cost fewer ticks.
        """
        most, pieces, left = max(1, MAX_TICK // self.chunk), 1, self.length
        while left:
            yield min(pieces * self.chunk, left)
            left -= min(pieces * self.chunk, left)
            pieces = min(2 * pieces, most)

    def _scanned(self, text: str) -> tuple[list[str], bool]:
        """Cut a text into pieces, up to a stop text. Return them, and whether one was found."""
        pieces = []
        for begin in range(0, len(text), self.chunk):
            scanned = self.scanner.scan(text[begin : begin + self.chunk])
            if scanned.text:
                pieces.append(scanned.text)
            if scanned.stopped is not None:
                return pieces, True
        return pieces, False
