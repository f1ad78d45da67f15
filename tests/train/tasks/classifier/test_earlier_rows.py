"""Rows of earlier runs in a run folder."""

import json

import pytest

from rnn_train.data.encoded_rows import EncodedRows
from rnn_train.data.rows import Rows
from rnn_train.errors import RunError
from rnn_train.tasks.classifier.earlier_rows import read_rows, write_rows_of
from rnn_train.training.run import Run

FIRST = EncodedRows.of(Rows(("ab\u2028", "c"), ("x", "y")))
SECOND = EncodedRows.of(Rows(("é",), ("z",)))


def pairs(rows: EncodedRows) -> list[tuple[str, str]]:
    return list(rows.pairs())


def test_rows_of_several_runs_come_back(run: Run) -> None:
    write_rows_of(run, [FIRST, SECOND], FIRST.take([1]))
    found = read_rows(run)
    assert pairs(found["train"]) == [("ab\u2028", "x"), ("c", "y"), ("é", "z")]
    assert pairs(found["held_out"]) == [("c", "y")]


def test_rows_of_an_older_version(run: Run) -> None:
    lines = [
        {"side": "train", "text": "a\u2028", "label": "x"},
        {"side": "held_out", "text": "b", "label": "y"},
    ]
    text = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    (run.folder / "earlier.jsonl").write_text(text + "\n", "utf-8")
    found = read_rows(run)
    assert pairs(found["train"]) == [("a\u2028", "x")]
    assert pairs(found["held_out"]) == [("b", "y")]


def test_run_without_a_warm_start(run: Run) -> None:
    assert {side: len(rows) for side, rows in read_rows(run).items()} == {"train": 0, "held_out": 0}


def test_folder_that_cannot_be_made(run: Run) -> None:
    (run.folder / "earlier").write_text("in the way")
    with pytest.raises(RunError, match="earlier cannot be made: File exists"):
        write_rows_of(run, [FIRST], SECOND)
