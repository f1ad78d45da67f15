"""One stream of a pool."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn, Self

import numpy as np
from numpy.typing import NDArray

from rnn_infer.errors import OptionError, PicklingError
from rnn_infer.runtime.draw_rule import DrawRule
from rnn_infer.runtime.drawing import NOTHING
from rnn_infer.sampling import Sampling, Uniforms
from rnn_infer.text.documents import from_last_document
from rnn_infer.text.stopping import StopScanner
from rnn_infer.text.vocabulary import Unknown

if TYPE_CHECKING:
    from rnn_infer.pooling.pool import StreamPool

CLOSED = -1
"""The row of a closed stream."""


@dataclass(eq=False)
class PoolStream:
    """One stream of a pool. Open one with `StreamPool.open`.

    It draws the same text as the same prompt and seed alone. Different streams may be used by
    different threads and tasks at once; one stream is for one thread or task at a time.
    """

    pool: "StreamPool"
    """The pool of the stream."""
    row: int
    """The row of the pool's state table. -1: the stream is closed."""
    uniforms: Uniforms
    """The random numbers of the stream."""
    rule: DrawRule
    """How the stream draws, made ready for the model."""
    stopped: str | None = None
    """The stop text that ended the last draw. None: it ended at the length."""
    unread: list[NDArray[np.int64]] = field(default_factory=list)
    """Tokens that were fed but not read yet."""
    wanted: int = 0
    """Characters that were asked for but not drawn yet."""
    drawn: list[str] = field(default_factory=list)
    """Text that was drawn but not returned yet."""
    until: int = 0
    """Characters of that text that the draw in progress returns, with the stop text."""
    scanner: StopScanner | None = None
    """Looks for the stop texts of the draw in progress."""
    busy: bool = False
    """Whether a draw is in progress."""
    draws: int = 0
    """The number of draws that were begun."""
    recent: NDArray[np.int64] = field(default_factory=lambda: NOTHING)
    """The last tokens that the stream drew with a repetition penalty."""
    runs_ahead: bool = False
    """Whether a tick may draw more than is wanted. Nothing can be fed to such a stream."""

    @property
    def sampling(self) -> Sampling:
        """How the stream draws."""
        return self.rule.sampling

    def feed(self, text: str, *, unknown: Unknown = "default") -> None:
        """Add a text. The next tick reads it before it draws.

        Args:
            text: any text. What is drawn next follows it.
            unknown: what to do with characters outside the vocabulary, as in `CharLM.complete`.

        Raises:
            UnknownCharacterError: the text has a character outside the vocabulary.
            OptionError: the stream is closed; or a cancelled draw has left characters that follow
                a stop text, which must be drawn first.
        """
        self.pool._feed(self, text, unknown)

    def draw(self, length: int, *, stop: str | Sequence[str] = ()) -> str:
        """Return the next characters.

        Calls of several threads at the same time share their batches.

        Args:
            length: the number of characters to draw.
            stop: one or several texts. The text ends before the first of them that appears, or at
                the end of the document, if the model knows documents. The stream then stands
                right after it, and `stopped` names it.

        Raises:
            OptionError: an option is out of range, the stream is closed, or another thread or task
                draws from it.
        """
        return self.pool._draw(self, length, stop)

    async def adraw(self, length: int, *, stop: str | Sequence[str] = ()) -> str:
        """Return the next characters, in a coroutine.

        Calls of several tasks and threads at the same time share their batches. The event loop
        does not wait: one thread per pool computes. A draw that is cancelled leaves the batch. It
        loses no text: the next draw returns what was drawn.

        Args:
            length, stop: as in `draw`.

        Raises:
            OptionError: as in `draw`.
        """
        return await self.pool._adraw(self, length, stop)

    def close(self) -> None:
        """Leave the pool. The row is free for the next stream."""
        self.pool._close(self)

    # --- for the batch, which holds its lock --------------------------------------------

    def _begin(self, length: int, stops: Sequence[str]) -> None:
        """Begin a draw. Text that an earlier draw has left counts.

        Raises:
            OptionError: another draw is in progress.
        """
        if self.busy:
            raise OptionError(
                "another thread or task draws from this stream; await it, or open a stream for each"
            )
        self.stopped, self.until, self.busy, self.draws = None, length, True, self.draws + 1
        self.scanner = StopScanner(stops) if stops else None
        left = "".join(self.drawn)
        self.wanted = max(0, length - len(left))
        self._scan(left[:length], 0)

    def _add(self, text: str) -> int:
        """Add a drawn text, up to a stop text. Return how many characters were added."""
        used = self._scan(text, self.until - self.wanted)
        self.drawn.append(text[:used])
        # A call that was cancelled meanwhile wants nothing more.
        self.wanted = max(0, self.wanted - len(text))
        return used

    def _scan(self, text: str, before: int) -> int:
        """Look for a stop text in a text that has some characters `before` it.

        Returns:
            The number of characters up to the end of the stop text, or all.
        """
        if self.scanner is None or self.stopped is not None:
            return len(text)
        scanned = self.scanner.scan(text)
        if scanned.stopped is not None:
            self.stopped, self.until, self.wanted = scanned.stopped, before + scanned.used, 0
        return scanned.used

    def _end(self) -> str:
        """End a draw that has all its characters, and return them without the stop text."""
        text = "".join(self.drawn)
        self.drawn[:] = [text[self.until :]]
        self.busy = False
        return text[: self.until].removesuffix(self.stopped or "")

    def _give_up(self) -> None:
        """End a draw that failed or was cancelled. Its characters are left for the next."""
        self.wanted, self.busy, self.stopped = 0, False, None

    def _take_unread(self, most: int, mark: int | None) -> NDArray[np.int64]:
        """Return the first unread tokens [time], and forget them.

        Args:
            most: how many to return at most.
            mark: the token that ends a document, or None. Only the last document is read. If it
                begins here, the mark is the first token.
        """
        tokens = np.concatenate(self.unread) if self.unread else np.empty(0, np.int64)
        if mark is not None and mark in tokens:
            tokens = from_last_document(tokens, mark)
        self.unread[:] = [tokens[most:]] if len(tokens) > most else []
        return tokens[:most]

    def _give_back(self, tokens: NDArray[np.int64], position: int) -> None:
        """Let the next tick read these `tokens` first, and go on at `position` in the random
        numbers.
        """
        self.unread.insert(0, tokens)
        self.uniforms.seek(position)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied."""
        raise refusal("a stream of a pool")


def refusal(what: str) -> PicklingError:
    """Return the error for an object of a pool that is pickled or copied."""
    return PicklingError(
        f"{what} belongs to one process: its rows and threads cannot be copied; pickle the CharLM "
        "and make a pool there, or use a Session, which can be pickled"
    )
