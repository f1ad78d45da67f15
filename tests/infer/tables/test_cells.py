"""Cells: texts and labels, and what counts as nothing."""

from typing import Any

import pytest

from rnn_infer.errors import TableError
from rnn_infer.tables.cells import clean, json_label, json_text


@pytest.mark.parametrize(
    ("cell", "text"),
    [(" a ", "a"), ("\ufeff", "\ufeff"), ("NULL", ""), ("\\N", ""), ("Null", "Null"), (" \t", "")],
)
def test_clean(cell: str, text: str) -> None:
    assert clean(cell) == text


@pytest.mark.parametrize(
    ("value", "label"),
    [("a ", "a"), (1, "1"), (True, "true"), (False, "false"), (None, ""), (1.5, "1.5"), (0, "0")],
)
def test_label(value: Any, label: str) -> None:
    assert json_label(value, "f: line 1") == label


def test_text() -> None:
    assert json_text(" a\n", "f") == "a"
    assert json_text(None, "f") == ""


@pytest.mark.parametrize("value", [1, True, ["a"], {"a": 1}])
def test_no_text(value: Any) -> None:
    with pytest.raises(TableError, match="f: line 1: expected"):
        json_text(value, "f: line 1")


@pytest.mark.parametrize("value", [["a"], {"a": 1}])
def test_no_label(value: Any) -> None:
    with pytest.raises(TableError, match="f: line 1: expected"):
        json_label(value, "f: line 1")


def test_half_a_surrogate_pair() -> None:
    for read in (json_text, json_label):
        with pytest.raises(TableError, match="f: line 4: half a surrogate pair"):
            read("broken \ud83d", "f: line 4")
