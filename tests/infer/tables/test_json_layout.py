"""The keys of JSON objects that hold text and label."""

from typing import Any

import pytest

from rnn_infer.errors import TableError
from rnn_infer.tables.json_layout import find_keys
from rnn_infer.tables.layout import Question
from rnn_infer.tables.options import TableOptions

OBJECTS = [{"k1": f"a text, number {i}", "k2": i % 2, "k3": [i], "k4": i} for i in range(30)]


def find(objects: list[dict[str, Any]], labelled: bool = True, **options: Any) -> Any:
    question = Question("f", TableOptions(**options), labelled)
    return find_keys(objects, question, "f: line 1")


@pytest.mark.parametrize(
    ("objects", "found"),
    [
        ([{"text": "a", "label": "b"}], ("text", "label")),
        ([{"label": 1, "id": 1, "text": "a"}], ("text", "label")),
        ([{"review": "a", "stars": 1}], ("review", "stars")),
        (OBJECTS, ("k1", "k2")),
    ],
)
def test_found(objects: list[dict[str, Any]], found: tuple[str, str]) -> None:
    assert find(objects)[:2] == found


def test_asked() -> None:
    assert find(OBJECTS, text_column="k1", label_column="K4")[:2] == ("k1", "k4")
    assert find([{"a": "x", "text": "y"}], labelled=False, text_column="a")[0] == "a"


@pytest.mark.parametrize(
    ("objects", "options", "said"),
    [
        ([{"text": "a"}], {}, 'line 1: expected {"text": "…", "label": "…"}'),
        ([{}], {"labelled": False}, 'expected {"text": "…"}'),
        (OBJECTS, {"text_column": "x"}, "no column 'x'; the columns are 'k1'"),
        (OBJECTS, {"text_column": 1}, "no column '1'"),
        ([{"a": f"x {i}", "b": f"y {i}"} for i in range(30)], {}, "column holds the label"),
    ],
)
def test_refused(objects: list[dict[str, Any]], options: dict[str, Any], said: str) -> None:
    with pytest.raises(TableError, match=said):
        find(objects, **options)
