"""`rnn-infer classify --input`: one answer a row, the other columns, and options of the table."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from rnn_infer import Classifier

Run = Callable[..., Result]
Printed = Callable[..., str]
EMPTY: dict[str, Any] = {
    "text": "",
    "label": None,
    "probability": None,
    "top": [],
    "reason": "empty",
}


def rows(printed: str) -> list[Any]:
    return [json.loads(line) for line in printed.splitlines()]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", "Rossi\n\n  \nNg\n"),
        ("a.csv", "text\nRossi\n\n \nNg\n"),
        ("a.csv", "id,text\n1,Rossi\n2,\n3,NULL\n4,Ng\n"),
        ("a.tsv", "Rossi\tx\n\n\ty\nNg\tx\n"),
        ("a.jsonl", '{"text": "Rossi"}\n{"text": ""}\n{"text": null}\n{"text": "Ng"}\n'),
    ],
)
def test_one_answer_a_row(
    good: Printed, names: str, tmp_path: Path, name: str, content: str
) -> None:
    (tmp_path / name).write_text(content)
    found = rows(good("classify", "--model", names, "--input", str(tmp_path / name), "--json"))
    assert [row["text"] for row in found] == ["Rossi", "", "", "Ng"]
    assert found[1] == found[2] == EMPTY | {"known": 0.0}
    assert found[0]["label"] is not None
    assert "reason" not in found[0]
    text = good("classify", "--model", names, "--input", str(tmp_path / name))
    assert len(text.splitlines()) == 4
    trace = good("classify", "--model", names, "--input", str(tmp_path / name), "--trace", "--json")
    assert rows(trace)[1] == {"text": "", "trace": []}


def test_row_of_unknown_characters(good: Printed, names: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Ж\nNg\n")
    arguments = ("--model", names, "--input", str(tmp_path / "a.txt"), "--unknown", "skip")
    found = rows(good("classify", *arguments, "--json"))
    assert (found[0]["label"], found[0]["reason"]) == (None, "unknown")
    assert found[1]["label"] is not None


def test_standard_input(good: Printed, names: str) -> None:
    for kind, content in (
        ("csv", "id;text\n1;Rossi\n2;Ng\n"),
        ("tsv", '"Rossi\tx\nNg\ty\n'),
        ("jsonl", '{"text": "Rossi"}\n{"text": "Ng"}\n'),
        ("json", '[{"text": "Rossi"}, {"text": "Ng"}]'),
        ("lines", "Rossi\nNg\n"),
    ):
        arguments = ("--model", names, "--input", "-", "--format", kind, "--json")
        found = rows(good("classify", *arguments, stdin=content))
        assert [row["text"].strip('"') for row in found] == ["Rossi", "Ng"]


def test_keep(good: Printed, names: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('id,city,text,label\n7,"Rome, Italy",Rossi,x\n8,,,y\n')
    arguments = ("classify", "--model", names, "--input", str(tmp_path / "a.csv"))
    found = rows(good(*arguments, "--keep", "city", "--keep", "id", "--json"))
    assert list(found[0])[-2:] == ["city", "id"]
    assert [(row["id"], row["city"]) for row in found] == [("7", "Rome, Italy"), ("8", "")]
    printed = good(*arguments, "--keep", "all", "--output", "csv")
    table = list(csv.DictReader(io.StringIO(printed)))
    assert [(row["id"], row["city"], row["input_label"]) for row in table] == [
        ("7", "Rome, Italy", "x"),
        ("8", "", "y"),
    ]
    assert (table[0]["label"], table[1]["reason"]) == (found[0]["label"], "empty")
    assert rows(good(*arguments, "--output", "json")) == rows(good(*arguments, "--json"))


def test_options_of_the_table(good: Printed, names: str, tmp_path: Path) -> None:
    path = tmp_path / "a.dat"
    path.write_bytes("x^Müller\ny^Ng\n".encode("cp1252"))
    more = ("--delimiter", "^", "--encoding", "cp1252", "--text-column", "2", "--json")
    found = rows(good("classify", "--model", names, "--input", str(path), *more))
    assert [row["text"] for row in found] == ["Müller", "Ng"]


def test_column_of_the_models_labels_is_no_text(good: Printed, names: str, tmp_path: Path) -> None:
    label = Classifier.load(names, device="cpu").labels[0]
    (tmp_path / "a.csv").write_text(f"{label},Rossi\n{label},Ng\n")
    found = rows(good("classify", "--model", names, "--input", str(tmp_path / "a.csv"), "--json"))
    assert [row["text"] for row in found] == ["Rossi", "Ng"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("Rossi", "--keep", "all", "--json"), "--keep needs --input"),
        (("--input", "-", "--keep", "all"), "--keep needs --input, and --json"),
        (("--input", "-", "--trace", "--output", "csv"), "--trace takes no --keep"),
        (("--input", "-", "--json", "--output", "csv"), "exclude each other"),
        (("Rossi", "--text-column", "a"), "need --input FILE"),
        (("--input", "-", "--format", "csv", "--delimiter", "ab"), "delimiter must be"),
        (("--input", "-", "--format", "xml"), "--format"),
    ],
)
def test_bad_options(bad: Printed, names: str, arguments: tuple[str, ...], said: str) -> None:
    assert said in bad("classify", "--model", names, *arguments)


def test_library_answers_each_row_too(names: str) -> None:
    classifier = Classifier.load(names, device="cpu")
    found = classifier.classify(["Rossi", "", None, "Ng"], on_empty="none")
    assert [each.reason for each in found] == [None, "empty", "empty", None]
    assert found[0] == classifier.classify("Rossi")
    assert classifier.classify("", on_empty="none").label is None
    assert classifier.classify([], on_empty="none") == []
    assert [each.label for each in classifier.classify(["", None], on_empty="none")] == [None, None]


def test_terminal_codes_are_data(good: Printed, names: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,text\n\x1b[31m1,Rossi\n2,Ng\n")
    printed = good(
        *("classify", "--model", names, "--input", str(tmp_path / "a.csv"), "--text-column"),
        *("text", "--keep", "id", "--output", "csv"),
    )
    assert printed.splitlines()[1].endswith(",\x1b[31m1")
