"""Columns that are given back beside the answers."""

import io
import json

import pytest

from rnn_infer.cli.kept_columns import KeptColumns
from rnn_infer.errors import TableError
from rnn_infer.tables.table import Table

CSV = 'id,text,label\n1,Rossi,"a, b"\n2\n'
JSON = '{"text": "Ng", "tags": ["x"], "n": 1}\n{"text": "Kim"}\n'


def table(content: str, name: str) -> Table:
    return Table.open(io.BytesIO(content.encode()), name=name)


def kept(asked: list[str], content: str = CSV, name: str = "a.csv") -> KeptColumns:
    return KeptColumns(table(content, name), asked, ("text", "label"))


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ([], []),
        (["id"], ["id"]),
        (["ID", "1", "id"], ["id"]),
        (["all"], ["id", "input_label"]),
        (["label", "all", "text"], ["input_label", "id", "input_text"]),
    ],
)
def test_names(asked: list[str], names: list[str]) -> None:
    assert kept(asked).names == names


def test_column_without_a_header_has_its_number() -> None:
    assert kept(["all"], "Rossi,x\nNg,y\n").names == ["2"]


def test_values_of_a_table() -> None:
    rows = list(table(CSV, "a.csv"))
    found = kept(["all"])
    assert found.texts(rows[0]) == ["1", "a, b"]
    assert found.texts(rows[1]) == ["2", ""]
    parts = found.json_parts(rows)
    assert parts == [', "id": "1", "input_label": "a, b"', ', "id": "2", "input_label": null']
    assert kept([]).json_parts(rows) == []


def test_values_of_objects() -> None:
    rows = list(table(JSON, "a.jsonl"))
    found = kept(["all"], JSON, "a.jsonl")
    assert found.texts(rows[0]) == ['["x"]', "1"]
    assert [json.loads("{" + part[2:] + "}") for part in found.json_parts(rows)] == [
        {"tags": ["x"], "n": 1},
        {"tags": None, "n": None},
    ]


@pytest.mark.parametrize(
    ("asked", "content", "name", "said"),
    [
        ("city", CSV, "a.csv", "a.csv: there is no column 'city'; the columns are 'id', 'text'"),
        ("4", CSV, "a.csv", "no column '4'"),
        ("id", "Rossi\n", "a.txt", "a.txt: one text a line: no columns to keep; drop --keep"),
    ],
)
def test_refused(asked: str, content: str, name: str, said: str) -> None:
    with pytest.raises(TableError, match=said):
        kept([asked], content, name)
