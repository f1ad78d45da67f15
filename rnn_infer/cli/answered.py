"""Blocks of rows with their answers, of which a text that comes again is computed once."""

import gc
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import NamedTuple

from rnn_infer.tables.rows import Row
from rnn_infer.tables.table import Table

Answer = Callable[[list[str]], list[str]]
"""Gives an answer to each text."""
_ROWS, _CHARACTERS = 1 << 14, 1 << 22
"""Rows of a block, and characters after which it ends: memory does not grow with the input."""
_PIECE = 1 << 10
"""Rows that are read at once."""
_KEPT = 1 << 15
"""Answers that are kept from block to block, about. Names come again and again in a table."""


class _Block(NamedTuple):
    rows: list[Row]
    new: list[str]
    """Texts that have no answer yet."""
    answers: dict[str, str]
    """Of earlier texts, and soon those of `new`."""
    future: Future[list[str]]
    """Gives the answers to `new`."""

    def finish(self) -> tuple[list[Row], list[str]]:
        self.answers.update(zip(self.new, self.future.result(), strict=True))
        return self.rows, [self.answers[row.text] for row in self.rows]


def answered(table: Table, answer: Answer) -> Iterator[tuple[list[Row], Sequence[str]]]:
    """Yield blocks of rows and their answers.

    A thread computes the next block while the caller prints one: onnxruntime does not hold the
    interpreter's lock.

    Args:
        table: the rows.
        answer: gives the answers to distinct texts.
    """
    answers: dict[str, str] = {}
    waiting: list[_Block] = []
    with _no_collector(), ThreadPoolExecutor(1) as worker:
        while rows := _take(table):
            texts = dict.fromkeys([row.text for row in rows])
            new = [text for text in texts if text not in answers]
            if len(answers) + len(new) > _KEPT or _size(new) > _CHARACTERS:
                # The blocks before go on with their own answers.
                answers, new = {}, list(texts)
            answers.update(dict.fromkeys(new, ""))  # they are on their way
            waiting.append(_Block(rows, new, answers, worker.submit(answer, new)))
            if len(waiting) > 1:
                yield waiting.pop(0).finish()
        for block in waiting:
            yield block.finish()


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


def _take(table: Table) -> list[Row]:
    """Read the rows of one block."""
    rows: list[Row] = []
    size = 0
    while len(rows) < _ROWS and size < _CHARACTERS:
        piece = list(islice(table, min(_PIECE, _ROWS - len(rows))))
        if not piece:
            break
        rows += piece
        size += _size([row.text for row in piece])
    return rows


def _size(texts: Sequence[str]) -> int:
    return sum(map(len, texts))
