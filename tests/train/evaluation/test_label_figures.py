"""Figures of each label, counted by hand, and their table."""

import csv
from pathlib import Path

import pytest
import torch

from rnn_train.errors import RunError
from rnn_train.evaluation.label_figures import LabelFigures, of_labels, write_table
from rnn_train.evaluation.prediction_sets import PredictionSets

TRUTH = torch.tensor([0, 0, 0, 0, 1, 2])
PREDICTED = torch.tensor([0, 2, 1, 2, 1, 1])
LOGITS = torch.nn.functional.one_hot(PREDICTED, 4).float()
NAMES = ["a", "b, quoted", "c", "never"]


def test_by_hand() -> None:
    first, second, third, never = of_labels(PREDICTED, TRUTH, NAMES, None)
    assert (first.rows, first.share_predicted, first.most_confused_with) == (4, 1 / 6, "c")
    assert (second.rows, second.share_predicted, second.most_confused_with) == (1, 0.5, None)
    assert third.most_confused_with == "b, quoted"
    assert (never.rows, never.share_predicted, never.most_confused_with) == (0, 0.0, None)
    assert first.coverage is None


def test_equally_frequent_rivals() -> None:
    first, *_ = of_labels(torch.tensor([2, 1]), torch.tensor([0, 0]), ["a", "b", "c"], None)
    assert first.most_confused_with == "b"


def test_table(tmp_path: Path) -> None:
    path = tmp_path / "new" / "labels.csv"
    write_table(of_labels(PREDICTED, TRUTH, NAMES, None), path)
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["label"] for row in rows] == NAMES
    assert rows[0] == {
        "label": "a",
        "rows": "4",
        "precision": "1",
        "recall": "0.25",
        "f1": "0.4",
        "share_predicted": "0.166667",
        "most_confused_with": "c",
    }
    assert rows[1]["most_confused_with"] == ""


def test_table_with_prediction_sets(tmp_path: Path) -> None:
    sets = PredictionSets.of(LOGITS, TRUTH, 0.9)
    write_table(of_labels(PREDICTED, TRUTH, NAMES, sets), tmp_path / "labels.csv")
    head, *lines = (tmp_path / "labels.csv").read_text("utf-8").splitlines()
    assert head.endswith(",most_confused_with,coverage,mean_set_size")
    assert lines[-1].endswith(",,,")  # without a row it has neither


def test_table_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="cannot write"):
        write_table([LabelFigures("a", 1, 1.0, 1.0, 1.0)], tmp_path / "file" / "labels.csv")
