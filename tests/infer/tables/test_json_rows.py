"""Rows of JSON: one object a line, and one array."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_infer.errors import TableError
from rnn_infer.tables import json_rows
from rnn_infer.tables.json_rows import array_objects, line_objects


def cut(text: str, size: int) -> Iterator[str]:
    return (text[i : i + size] for i in range(0, len(text), size))


def test_lines() -> None:
    lines = ['{"a": 1}', "", "  ", ' {"a": "\u2028"} ']
    assert list(line_objects(iter(enumerate(lines, 1)), "f")) == [
        (1, {"a": 1}),
        (4, {"a": "\u2028"}),
    ]


@pytest.mark.parametrize("line", ["x", "[1]", "3", '{"a": 1', "[" * 100_000, "9" * 5000, '"a"'])
def test_line_that_is_no_object(line: str) -> None:
    with pytest.raises(TableError, match="f: line 2: expected"):
        list(line_objects(iter([(1, "{}"), (2, line)]), "f"))


@given(
    st.lists(st.dictionaries(st.text(max_size=3), st.text(max_size=9)), max_size=4),
    st.integers(1, 9),
    st.sampled_from([None, 2]),
)
def test_array_in_chunks(objects: list[dict[str, str]], size: int, indent: int | None) -> None:
    text = f" \n{json.dumps(objects, indent=indent)}\n"
    assert list(array_objects(cut(text, size), "f")) == list(enumerate(objects, 1))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1]", "object 1: expected"),
        ('[{"a": 1}, 2]', "object 2: expected"),
        ('[{"a": 1} {"a": 2}]', "object 1: no comma"),
        ('[{"a": 1}', "object 1: no comma"),
        ('[{"a": 1}, {"a": ', "object 2: expected"),
        ('[{"a": 1},]', "object 2: expected"),
        ('[{"a": 1}] x', "text follows the array, after object 1"),
    ],
)
def test_bad_array(text: str, said: str) -> None:
    with pytest.raises(TableError, match=f"f: {said}"):
        list(array_objects(cut(text, 4), "f"))


def test_object_that_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_rows, "MAX_CHARACTERS", 100)
    chunks = iter(['[{"a": "'] + ["x" * 10] * 1000)
    with pytest.raises(TableError, match="object 1"):
        list(array_objects(chunks, "f"))
    assert next(chunks, None), "it has read on to the end"
