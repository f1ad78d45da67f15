"""A classifier's task: created from a request, and opened from its run folder alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rnn_train.errors import DataError
from rnn_train.tasks.classifier.recipe import classifier_epochs
from rnn_train.tasks.classifier.task import ClassifierTask
from rnn_train.tasks.plan import Settings
from rnn_train.tasks.request import ClassifierRequest
from rnn_train.training.run import Run

TINY = {"hidden": 8, "embedding": 4}
SETTINGS = Settings(device="cpu", out="x.onnx")


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run.create("classifier", tmp_path / "run")
    yield run
    run.close()


def classifier(run: Run, data: Path, **more: Any) -> ClassifierTask:
    options: dict[str, Any] = {"model": TINY, "epochs": 1.0, **more}
    return ClassifierTask.create(run, ClassifierRequest(data=(str(data),), **options), SETTINGS)


def test_classifier_config(run: Run, table: Path) -> None:
    task = classifier(run, table, model={"cell": "gru", "hidden": 6})
    config = run.config()
    assert config["command"] == "classifier"
    assert (config["model"]["cell"], config["model"]["hidden"]) == ("gru", 6)
    assert (config["model"]["labels"], config["out"]) == (2, "x.onnx")
    assert task.data.alphabet.labels == ("east", "north")
    assert task.steps_per_epoch == 5  # of 72 rows, 16 at a time


def test_classifier_is_rebuilt_from_its_folder(run: Run, table: Path) -> None:
    task, again = classifier(run, table), ClassifierTask(run)
    assert task.data.alphabet == again.data.alphabet
    assert task.model.config == again.model.config
    result = task.measure(task.model.eval())
    again.model.load_state_dict(task.model.state_dict())
    assert again.measure(again.model.eval()) == result
    assert task.card(result) == again.card(result)


def test_classifier_duration_is_chosen(run: Run, table: Path) -> None:
    classifier(run, table, epochs=None)
    assert run.config()["epochs"] == classifier_epochs(72)


def test_classifier_held_out_rows(run: Run, table: Path, tmp_path: Path) -> None:
    (tmp_path / "held.csv").write_text("bako,east\nbason,north\n" * 10)
    task = classifier(run, table, val_data=str(tmp_path / "held.csv"))
    assert task.measure(task.model).metrics["held_out_rows"] == 20


def test_classifier_new_label_in_held_out_rows(run: Run, table: Path, tmp_path: Path) -> None:
    (tmp_path / "held.csv").write_text("bako,east\nbason,west\n" * 10)
    with pytest.raises(DataError, match=r"'west' stands in held-out rows only"):
        classifier(run, table, val_data=str(tmp_path / "held.csv"))


def test_classifier_without_held_out_rows(run: Run, table: Path, tmp_path: Path) -> None:
    task = classifier(run, table, val_fraction=0.0)
    result = task.measure(task.model)
    assert (result.metrics, result.temperature) == ({}, 1.0)
    task.plot(task.model, tmp_path)
    assert not (tmp_path / "confusion.png").exists()
