"""Rows of different lengths in one array, compared with lists."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rnn_infer.text.ragged import Ragged

ROW = st.lists(st.integers(0, 9), max_size=6)
ROWS = st.lists(ROW, max_size=8)


def array(row: list[int]) -> np.ndarray:
    return np.array(row, np.int64)


def rows_of(ragged: Ragged) -> list[list[int]]:
    return [
        ragged.tokens[start : start + length].tolist()
        for start, length in zip(ragged.starts, ragged.lengths, strict=True)
    ]


@given(ROWS)
def test_rows_round_trip(rows: list[list[int]]) -> None:
    ragged = Ragged.of([array(row) for row in rows])
    assert rows_of(ragged) == rows
    assert ragged.tokens.dtype == ragged.lengths.dtype == np.int64


@given(ROWS, ROW, ROW)
def test_between(rows: list[list[int]], before: list[int], after: list[int]) -> None:
    ragged = Ragged.of([array(row) for row in rows])
    longer = ragged.between(array(before), array(after))
    assert rows_of(longer) == [before + row + after for row in rows]
    assert rows_of(ragged) == rows


@given(st.lists(ROW, min_size=1, max_size=8), st.data())
def test_window(rows: list[list[int]], data: st.DataObject) -> None:
    ragged = Ragged.of([array(row) for row in rows])
    if not len(ragged.tokens):
        return
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=5))
    begin, size = data.draw(st.integers(0, 8)), data.draw(st.integers(1, 8))
    expected = [(rows[i] + [0] * 20)[begin : begin + size] for i in chosen]
    assert ragged.window(array(chosen), begin, size).tolist() == expected
