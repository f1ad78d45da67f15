"""One stream of a pool."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn, Self

import numpy as np
from numpy.typing import NDArray

from rnn_infer.errors import PicklingError
from rnn_infer.runtime.draw_rule import DrawRule
from rnn_infer.runtime.drawing import NOTHING
from rnn_infer.sampling import Sampling, Uniforms
from rnn_infer.text.vocabulary import Unknown

if TYPE_CHECKING:
    from rnn_infer.pool import StreamPool

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
    unread: list[NDArray[np.int64]] = field(default_factory=list)
    """Tokens that were fed but not read yet."""
    wanted: int = 0
    """Characters that were asked for but not drawn yet."""
    drawn: list[str] = field(default_factory=list)
    """Text that was drawn but not returned yet."""
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

    async def adraw(self, length: int) -> str:
        """Return the next `length` characters, in a coroutine.

        Calls of several tasks and threads at the same time share their batches. The event loop
        does not wait: one thread per pool computes. A draw that is cancelled loses no text: the
        next draw returns what was drawn.

        Raises:
            OptionError: `length` is not an integer of 0 or more, or the stream is closed.
        """
        return await self.pool._adraw(self, length)

    def close(self) -> None:
        """Leave the pool. The row is free for the next stream."""
        self.pool._close(self)

    def _take_unread(self) -> NDArray[np.int64]:
        """Return the unread tokens [time], and forget them."""
        tokens = np.concatenate(self.unread) if self.unread else np.empty(0, np.int64)
        self.unread.clear()
        return tokens

    def _give_back(self, tokens: NDArray[np.int64], position: int) -> None:
        """Undo a failed tick: put back the `tokens` it took, and go back to `position` in the
        random numbers.
        """
        self.unread.insert(0, tokens)
        self.uniforms.seek(position)

    def _take(self, length: int) -> str:
        """Return the first `length` drawn characters, and forget them."""
        text = "".join(self.drawn)
        self.drawn[:] = [text[length:]]
        return text[:length]

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
