"""The layout of a table: named columns, columns told apart, and what is refused."""

from typing import Any

import pytest

from rnn_infer.errors import TableError
from rnn_infer.tables.layout import (
    Layout,
    Question,
    column_names,
    find_layout,
    position_of,
    shown,
)
from rnn_infer.tables.options import TableOptions

BODY = [[f"Name{chr(97 + i)}", f"some words, number {i}", ("x", "y")[i % 2]] for i in range(24)]
HEADER = ["name", "note", "label"]


def find(rows: list[list[str]], labelled: bool = True, known: Any = (), **options: Any) -> Layout:
    return find_layout(rows, Question("f", TableOptions(**options), labelled, known))


def test_by_name() -> None:
    assert find([HEADER, *BODY]) == Layout(0, 2, tuple(HEADER), True)


def test_options_come_first() -> None:
    assert find([HEADER, *BODY], text_column="Note ").text == 1
    assert find([HEADER, *BODY], text_column=2).text == 1
    assert find([HEADER, *BODY], text_column="2").text == 1
    assert find([["a", "2", "b"], *BODY], text_column="2", label_column="b").text == 1
    assert find(BODY, text_column=1, label_column=3) == Layout(0, 2, ("1", "2", "3"), False)
    assert find([["a", "b", "c"], *BODY], header=True, text_column="a").label == 2
    assert find([["text", "x", "label"], *BODY], header=False, text_column=1).header is False


@pytest.mark.parametrize("options", [{}, {"text_column": "name"}, {"label_column": "label"}])
def test_two_columns_of_one_name(options: dict[str, Any]) -> None:
    """Either may be meant. Other columns may have one name."""
    with pytest.raises(TableError, match=r"columns 1 and 2 are both called 'name'; .*--text-col"):
        find([["name", "name", "label"], *BODY], **options)
    assert find([["name", "name", "label"], *BODY], text_column=2).text == 1
    assert find([["name", "name", "label"], *BODY], text_column="2").text == 1
    twice = [[*row[:1], "a", "b", row[2]] for row in BODY]
    assert find([["name", "x", "x", "label"], *twice], **options).text == 0


def test_label_that_is_asked_for_need_not_look_like_one() -> None:
    found = find([HEADER, *BODY], text_column="note", label_column="name")
    assert (found.text, found.label) == (1, 0)


def test_known_labels() -> None:
    rows = [["x", "x"], ["b", "y"], ["c", "x"]]
    assert find(rows, labelled=False, known={"x", "y"}).text == 0
    swapped = [row[::-1] for row in rows]
    assert find(swapped, labelled=False, known={"x", "y"}).text == 1


@pytest.mark.parametrize(
    ("rows", "options", "said"),
    [
        ([row[:1] for row in BODY], {}, "1 column; labelled data has two"),
        (BODY, {"text_column": "name"}, "no column 'name'; the columns are 'Namea'"),
        ([HEADER, *BODY], {"label_column": "class"}, "the columns are 'name', 'note', 'label'"),
        ([HEADER, *BODY], {"text_column": 4}, "no column 4; there are 3, numbered from 1"),
        (BODY, {"text_column": "name", "header": False}, "without a header a column has no name"),
        ([HEADER, *BODY], {"text_column": 1, "label_column": 1}, "column 'name' is named for"),
        (BODY, {"text_column": 2, "label_column": 2, "labelled": False}, "for the text and for"),
        (
            [["Rossi", "one more note", "Z"], *BODY],
            {},
            "whether the first row is a header; say --header",
        ),
        ([row[:2] for row in BODY], {}, "which column holds the label; name it with --label"),
        ([["text", "label"], *[row[:2] for row in BODY]], {}, "which column holds the label"),
    ],
)
def test_refused(rows: list[list[str]], options: dict[str, Any], said: str) -> None:
    with pytest.raises(TableError, match=f"^f: .*{said}") as raised:
        find(rows, **options)
    assert "\n" not in str(raised.value)


def test_figures_are_no_text_whatever_their_name() -> None:
    rows = [["comment", "words", "label"], *[[str(i), f"a b {i}", "xy"[i % 2]] for i in range(30)]]
    assert find(rows).text == 1


def test_names_of_columns() -> None:
    assert column_names(["a", "", "a", "a"], 4) == ("a", "2", "a_2", "a_3")
    assert column_names([], 2) == ("1", "2")


def test_position() -> None:
    assert position_of("B", ["a", "b"]) == 1
    assert position_of("b", ["B", "b"]) == 1
    assert position_of("b", ["B", "B "]) == 0
    assert position_of("c", ["a"]) is None


def test_shown() -> None:
    found = shown([["a" * 50, "é"], ["b"], ["c"], ["d"]])
    assert found == f'the first rows as read: ["{"a" * 39}…", "é"], ["b"], ["c"]'


@pytest.mark.parametrize(
    ("labels", "fine"),
    [
        ([f"label{i:04}" for i in range(30)], True),
        ([f"Kind {chr(65 + i)}" for i in range(26)], True),
        ([f"0.{i:03}" for i in range(30)], False),
    ],
)
def test_column_that_is_called_label(labels: list[str], fine: bool) -> None:
    """Of thousands of labels, none comes again in the first rows."""
    rows = [["text", "Label"], *[[f"a text of number {i}", each] for i, each in enumerate(labels)]]
    if fine:
        assert find(rows) == Layout(0, 1, ("text", "Label"), True)
    else:
        with pytest.raises(TableError, match="which column holds the label"):
            find(rows)
