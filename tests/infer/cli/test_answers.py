"""Answers of `classify` as text, JSON and CSV."""

import csv
import io
import json
import math

import pytest

from rnn_infer.cli.answers import Output, answers, header, lines
from rnn_infer.cli.kept_columns import KeptColumns
from rnn_infer.predictions import Prediction, nothing_to_label
from rnn_infer.tables.rows import Row
from rnn_infer.tables.table import Table

CONTENT = 'id,text\n1,"Rossi, ""Ng"""\n2,\n3,x\n'
PREDICTIONS = [
    Prediction('Rossi, "Ng"', ("A", "B"), (0.75, 0.25)),
    nothing_to_label(""),
    Prediction("x", ("A",), (0.5,), abstains=True),
]


def answer_lines(
    output: Output,
    predictions: list[Prediction],
    rows: list[Row],
    kept: KeptColumns,
    sets: bool = False,
) -> str:
    return lines(output, answers(output, predictions, sets), rows, kept)


@pytest.fixture
def input_table() -> Table:
    return Table.open(io.BytesIO(CONTENT.encode()), name="a.csv")


def test_csv(input_table: Table) -> None:
    kept = KeptColumns(input_table, ["id"], ())
    text = f"{header('csv', kept)}\n{answer_lines('csv', PREDICTIONS, list(input_table), kept)}"
    assert list(csv.reader(io.StringIO(text))) == [
        ["text", "label", "probability", "reason", "known", "id"],
        ['Rossi, "Ng"', "A", "0.75", "", "1.0", "1"],
        ["", "", "", "empty", "0.0", "2"],
        ["x", "", "0.5", "", "1.0", "3"],
    ]


def test_csv_with_sets(input_table: Table) -> None:
    kept = KeptColumns(input_table, ["id"], ())
    printed = answer_lines("csv", PREDICTIONS, list(input_table), kept, sets=True)
    found = list(csv.DictReader(io.StringIO(f"{header('csv', kept, sets=True)}\n{printed}")))
    assert [json.loads(row["labels"]) for row in found] == [["A", "B"], [], ["A"]]
    assert [row["id"] for row in found] == ["1", "2", "3"]
    assert [row["known"] for row in found] == ["1.0", "0.0", "1.0"]


@pytest.mark.parametrize("cell", ["a\nb", "a\rb", 'a"b', "a,b", "", " "])
def test_any_cell_of_csv(input_table: Table, cell: str) -> None:
    (row, *_), kept = list(input_table), KeptColumns(input_table, ["id"], ())
    row = row._replace(cells=[cell, "text"])
    printed = answer_lines("csv", [Prediction(cell or "x", ("A",), (0.5,))], [row], kept)
    assert list(csv.reader(io.StringIO(printed, newline=""))) == [
        [cell or "x", "A", "0.5", "", "1.0", cell]
    ]


def test_json(input_table: Table) -> None:
    kept = KeptColumns(input_table, ["id"], ())
    assert header("json", kept) is None
    printed = answer_lines("json", PREDICTIONS, list(input_table), kept).splitlines()
    found = [json.loads(line) for line in printed]
    assert [row["id"] for row in found] == ["1", "2", "3"]
    assert [row["label"] for row in found] == ["A", None, None]
    empty: dict[str, object] = {
        "text": "",
        "label": None,
        "probability": None,
        "top": [],
        "known": 0.0,
        "reason": "empty",
    }
    assert found[1] == empty | {"id": "2"}


def test_text(input_table: Table) -> None:
    kept = KeptColumns(input_table, [], ())
    printed = answer_lines("text", PREDICTIONS, list(input_table), kept).splitlines()
    assert printed[1].split() == ["–", "(empty)"]
    assert len(printed) == 3


def test_nothing_to_label() -> None:
    assert nothing_to_label(None).label is None
    assert math.isnan(nothing_to_label("").probability)
    assert nothing_to_label("Ж").reason == "unknown"
