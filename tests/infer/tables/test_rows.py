"""Rows out of cells, objects and lines."""

import pytest

from rnn_infer.errors import TableError
from rnn_infer.tables.layout import Layout
from rnn_infer.tables.rows import (
    rows_of_cells,
    rows_of_fasttext,
    rows_of_lines,
    rows_of_objects,
)

LAYOUT = Layout(1, 0, ("label", "text"))


def cells(
    *rows: list[str], strict: bool = False, blank: bool = True
) -> list[tuple[str, str | None, int]]:
    records = enumerate(rows, 1)
    return [row[:3] for row in rows_of_cells(records, LAYOUT, "f", strict=strict, blank=blank)]


def test_cells() -> None:
    found = cells([" x ", " a "], [""], ["NULL", "\\N"], ["x"], ["x", "a", "", " "])
    assert found == [("a", "x", 1), ("", "", 2), ("", "", 3), ("", "x", 4), ("a", "x", 5)]


def test_blank_lines_between_rows() -> None:
    assert [row[2] for row in cells(["x", "a"], [""], [" "], ["", ""], blank=False)] == [1, 4]


@pytest.mark.parametrize(
    ("row", "strict"), [(["x", "a", "b"], False), (["x"], True), (["x\ny"], False)]
)
def test_wrong_number_of_cells(row: list[str], strict: bool) -> None:
    with pytest.raises(
        TableError, match=f"f: line 2: {len(row)} columns? where the first row has 2"
    ):
        cells(["x", "a"], row, strict=strict)


def test_objects() -> None:
    objects: list[dict[str, object]] = [{"t": " a ", "l": 1}, {"t": None, "l": None, "more": 3}]
    rows = list(rows_of_objects(iter(enumerate(objects, 1)), "t", "l", "f", "line"))
    assert [row[:3] for row in rows] == [("a", "1", 1), ("", "", 2)]
    assert rows[1].cells == objects[1]


@pytest.mark.parametrize("found", [{"t": "a"}, {"l": "b"}, {"t": 1, "l": "b"}])
def test_bad_object(found: dict[str, object]) -> None:
    with pytest.raises(TableError, match="f: object 7: expected"):
        list(rows_of_objects(iter([(7, found)]), "t", "l", "f", "object"))


def test_lines() -> None:
    rows = list(rows_of_lines(iter([(1, " a\u2028b "), (2, "")])))
    assert [row[:3] for row in rows] == [("a\u2028b", None, 1), ("", None, 2)]


def test_fasttext() -> None:
    lines = iter([(1, "__label__x a b"), (2, ""), (3, "__label__y")])
    rows = list(rows_of_fasttext(lines, "f"))
    assert [row[:3] for row in rows] == [("a b", "x", 1), ("", "", 2), ("", "y", 3)]


@pytest.mark.parametrize(
    ("line", "said"), [("a b", "expected __label__"), ("__label__x __label__y a", "two labels")]
)
def test_bad_fasttext(line: str, said: str) -> None:
    with pytest.raises(TableError, match=f"f: line 3: .*{said}"):
        list(rows_of_fasttext(iter([(3, line)]), "f"))
