"""Blocks of rows with their answers, of which a text that comes again is computed once."""

import gc
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import NamedTuple

from rnn_infer.errors import UnknownCharacterError
from rnn_infer.predictions import Prediction
from rnn_infer.tables.rows import Row
from rnn_infer.tables.table import Table

Classify = Callable[[list[str]], list[Prediction]]
Write = Callable[[list[Prediction]], list[str]]
"""Writes the answer of each prediction."""
_ROWS, _CHARACTERS = 1 << 14, 1 << 22
"""Rows of a block, and characters after which it ends: memory does not grow with the input."""
_FIRST_PIECE, _PIECE = 1 << 4, 1 << 10
"""Rows that are read at once: few at first, then twice as many each time, up to the second. So a
block of books ends after a few."""
_LABELS = 1 << 20
"""Labels in the answers of a block, at most: where answers have many, a block has fewer rows."""
_KEPT = 1 << 15
"""Answers that are kept from block to block, about, while their texts have at most `_CHARACTERS`
characters, and twice `_LABELS` labels. Names come again and again in a table."""


class _Block(NamedTuple):
    rows: list[Row]
    new: list[str]
    """Texts that have no answer yet."""
    answers: dict[str, str]
    """Of earlier texts, and soon those of `new`."""
    future: Future[list[Prediction]]
    """Gives the predictions for `new`."""

    def finish(self, table: Table, classify: Classify, write: Write) -> tuple[list[Row], list[str]]:
        try:
            predictions = self.future.result()
        except UnknownCharacterError:
            refused = _first_refused(self.new, classify)
            row = next(row for row in self.rows if row.text == refused)
            with naming(table, row):
                classify([refused])
            raise
        self.answers.update(zip(self.new, write(predictions), strict=True))
        return self.rows, [self.answers[row.text] for row in self.rows]


def answered(
    table: Table, classify: Classify, write: Write, labels: int
) -> Iterator[tuple[list[Row], Sequence[str]]]:
    """Yield blocks of rows and their answers.

    A thread classifies the next block while this one is written and the caller prints it:
    onnxruntime does not hold the interpreter's lock.

    Args:
        table: the rows.
        classify: predicts the labels of distinct texts.
        write: writes the answers.
        labels: that an answer has at most.

    Raises:
        UnknownCharacterError: of `classify`. The message names the first row with such a text.
    """
    most = max(1, min(_ROWS, _LABELS // labels))
    kept = min(_KEPT, 2 * _LABELS // labels)
    answers: dict[str, str] = {}
    size = 0  # characters of the texts that have an answer
    waiting: list[_Block] = []
    with _no_collector(), ThreadPoolExecutor(1) as worker:
        while rows := _take(table, most):
            texts = dict.fromkeys([row.text for row in rows])
            new = [text for text in texts if text not in answers]
            if len(answers) + len(new) > kept or size + _size(new) > _CHARACTERS:
                # The blocks before go on with their own answers.
                answers, new, size = {}, list(texts), 0
            size += _size(new)
            answers.update(dict.fromkeys(new, ""))  # they are on their way
            waiting.append(_Block(rows, new, answers, worker.submit(classify, new)))
            if len(waiting) > 1:
                yield waiting.pop(0).finish(table, classify, write)
        for block in waiting:
            yield block.finish(table, classify, write)


@contextmanager
def naming(table: Table, row: Row) -> Iterator[None]:
    """Lets the error of a block say which row of a table it is about.

    Raises:
        UnknownCharacterError: of the block.
    """
    try:
        yield
    except UnknownCharacterError as error:
        raise UnknownCharacterError(f"{table.place(row)}: {error}") from None


def _first_refused(texts: Sequence[str], classify: Classify) -> str:
    """Return the first of some texts that `classify` refuses; it refuses one of them."""
    low, high = 0, len(texts)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            classify(list(texts[low:middle]))
            low = middle
        except UnknownCharacterError:
            high = middle
    return texts[low]


@contextmanager
def _no_collector() -> Iterator[None]:
    """Leave out the search for cycles: it would look again and again at all rows of a block, which
    have none, and that takes as long as reading them."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _take(table: Table, most: int) -> list[Row]:
    """Read the rows of one block, at most so many."""
    rows: list[Row] = []
    size, next_piece = 0, _FIRST_PIECE
    while len(rows) < most and size < _CHARACTERS:
        piece = list(islice(table, min(next_piece, most - len(rows))))
        if not piece:
            break
        rows += piece
        size += _size([row.text for row in piece])
        next_piece = min(2 * next_piece, _PIECE)
    return rows


def _size(texts: Sequence[str]) -> int:
    return sum(map(len, texts))
