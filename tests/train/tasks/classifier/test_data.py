"""A classifier's rows: read, split, written into the run folder and opened again."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from rnn_train.errors import DataError
from rnn_train.tasks.classifier.data import open_data, read_data, sources_of, write_data
from rnn_train.tasks.classifier.task import ClassifierTask
from rnn_train.tasks.request import ClassifierRequest
from rnn_train.training.run import Run

Create = Callable[..., ClassifierTask]


def test_held_out_rows_of_their_own(create: Create, table: Path, tmp_path: Path) -> None:
    (tmp_path / "held.csv").write_text("bako,east\nbason,north\n" * 10)
    task = create(table, val_data=str(tmp_path / "held.csv"))
    assert len(task.data.train) == 80, "all rows of the table are for training"
    assert task.measure(task.model).metrics["held_out_rows"] == 20


def test_label_of_held_out_rows_only(run: Run, create: Create, table: Path, tmp_path: Path) -> None:
    (tmp_path / "held.csv").write_text("bako,east\nbason,west\n" * 10)
    with pytest.raises(DataError, match=r"only held-out rows have the label 'west'"):
        create(table, val_data=str(tmp_path / "held.csv"))
    assert not (run.folder / "config.json").exists()


def test_rows_are_opened_as_they_were_written(run: Run, table: Path) -> None:
    table.write_text(table.read_text() + "Ж é,north\n")
    data = read_data(ClassifierRequest(data=(str(table),), val_fraction=0.25))
    write_data(run, data)
    again = open_data(run)
    assert again == data
    assert len(again.train) + len(again.held_out) == 81
    assert "Ж é" in (run.folder / "rows.jsonl").read_text("utf-8")


def test_split_depends_on_the_seed(table: Path) -> None:
    requests = [ClassifierRequest(data=(str(table),), seed=seed) for seed in (1, 1, 2)]
    one, same, other = (read_data(each) for each in requests)
    assert one == same
    assert one.held_out != other.held_out


@pytest.mark.parametrize("balance", [0.0, 0.2, 1.0])
def test_balance_is_taken_out_of_the_log_prior(letters: Path, balance: float) -> None:
    data = read_data(ClassifierRequest(data=(str(letters),), val_fraction=0.0))
    shares = [data.train.labels.count(label) / len(data.train) for label in ("a", "b")]
    expected = [(1 - balance) * math.log(share) for share in shares]
    assert data.log_prior(balance) == pytest.approx(expected)


def test_default_source() -> None:
    assert sources_of(ClassifierRequest()) == ("surnames",)
    assert sources_of(ClassifierRequest(data=("a.csv",))) == ("a.csv",)
