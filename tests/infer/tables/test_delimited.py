"""Rows of CSV and TSV: quotes, delimiters and line ends inside cells, and the row at fault."""

import csv
import io
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_infer.errors import TableError
from rnn_infer.tables import delimited
from rnn_infer.tables.delimited import csv_rows, line_cells, tsv_rows


def of_csv(text: str, delimiter: str = ",") -> list[tuple[int, list[str]]]:
    return list(csv_rows(iter(enumerate(text.split("\n"), 1)), delimiter, "f"))


def of_tsv(text: str, width: int = 2) -> list[list[str]]:
    return [cells for _, cells in tsv_rows(iter(enumerate(text.split("\n"), 1)), "\t", width)]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a,b", [["a", "b"]]),
        ("", [[""]]),
        ('"a,b",c', [["a,b", "c"]]),
        ('"a ""b"" c",d', [['a "b" c', "d"]]),
        ('"",d', [["", "d"]]),
        ('a "b" c,d', [['a "b" c', "d"]]),
        ('"Nice" he said,d', [['"Nice" he said', "d"]]),
        ('5",d', [['5"', "d"]]),
        ('"a" , "b, c"', [["a", "b, c"]]),
        ('a,"b"', [["a", "b"]]),
        ('a,""', [["a", ""]]),
        ('"a\n\nb",c\nd,e', [["a\n\nb", "c"], ["d", "e"]]),
        ('"a\n""b""\nc"\nd', [['a\n"b"\nc'], ["d"]]),
        ('x,"a\nb","c\nd",e', [["x", "a\nb", "c\nd", "e"]]),
        ("a,,", [["a", "", ""]]),
        ('"""a"""', [['"a"']]),
    ],
)
def test_csv(text: str, rows: list[list[str]]) -> None:
    assert [cells for _, cells in of_csv(text)] == rows


def test_rows_have_the_number_of_their_first_line() -> None:
    assert [line for line, _ in of_csv('a,b\n"c\nd\ne",f\ng,h')] == [1, 2, 5]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('a,b\n"c,d\ne,f\ng,h', "line 2: a quote is opened here and never closed"),
        ('a,b\nc,"d\ne,f', "line 2: a quote is opened here"),
        ('a,b\n"c,d\ne,f\n"g,h', "line 2: the quote that opens here closes inside a later row"),
    ],
)
def test_quote_that_is_not_closed(text: str, said: str) -> None:
    with pytest.raises(TableError, match=f"f: {said}"):
        of_csv(text)


def test_quote_that_is_never_closed_takes_no_more_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "MAX_CHARACTERS", 50)
    endless = ((i, "x" * 10) for i in itertools.count(2))
    with pytest.raises(TableError, match="line 1: a row of more than"):
        list(csv_rows(itertools.chain([(1, 'a,"b')], endless), ",", "f"))


CELLS = st.text(st.sampled_from('ab",; \n'), max_size=6)


@given(st.lists(st.lists(CELLS, min_size=2, max_size=3), min_size=1, max_size=4))
def test_csv_that_python_writes(rows: list[list[str]]) -> None:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    found = [cells for _, cells in of_csv(stream.getvalue().removesuffix("\n"))]
    assert found == rows


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ('"Naka\tJapanese\nTanaka\tJapanese', [['"Naka', "Japanese"], ["Tanaka", "Japanese"]]),
        ('"a\t"b', [['"a', '"b']]),
        ('a"\tb', [['a"', "b"]]),
        ('"a"\t"b"', [["a", "b"]]),
        ('"a ""b"""\tc', [['a "b"', "c"]]),
        ('"a" b"\tc', [['"a" b"', "c"]]),
        ('"a\tb"\tc', [["a\tb", "c"]]),
        ('"a\tb"', [['"a', 'b"']]),
        ('"\tx', [['"', "x"]]),
        ('""\tx', [["", "x"]]),
        ('"one\nand two"\tx', [['"one'], ['and two"', "x"]]),
    ],
)
def test_tsv(text: str, rows: list[list[str]]) -> None:
    assert of_tsv(text) == rows


@given(st.lists(st.text(st.sampled_from('a"\t '), max_size=8), min_size=1, max_size=5))
def test_tsv_never_has_fewer_rows_than_lines(lines: list[str]) -> None:
    assert len(of_tsv("\n".join(lines))) == len(lines)


def test_line_that_is_not_whole() -> None:
    assert line_cells('a,"b', ",") is None
    assert line_cells('a,"b"', ",") == ["a", "b"]
