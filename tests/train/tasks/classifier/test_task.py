"""A classifier's task: created from a request, and opened from its run folder alone."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from rnn_infer.tables.options import TableOptions
from rnn_train.errors import RunError
from rnn_train.tasks import memory
from rnn_train.tasks.classifier.data import store_data
from rnn_train.tasks.classifier.task import ClassifierTask
from rnn_train.tasks.request import ClassifierRequest
from rnn_train.training.run import Run
from rnn_train.training_session import TrainingReport

Create = Callable[..., ClassifierTask]
Train = Callable[..., TrainingReport]


def test_config(run: Run, create: Create, table: Path) -> None:
    task = create(table, model={"cell": "gru", "hidden": 6})
    config = run.config()
    assert config["command"] == "classifier"
    assert (config["model"]["cell"], config["model"]["hidden"]) == ("gru", 6)
    assert (config["model"]["labels"], config["out"]) == (2, "x.onnx")
    assert task.data.alphabet.labels == ("east", "north")
    assert task.steps_per_epoch == 5  # of 72 rows, 16 at a time


def test_task_is_opened_from_its_folder(run: Run, create: Create, table: Path) -> None:
    task, again = create(table), ClassifierTask(run)
    assert task.data.alphabet == again.data.alphabet
    assert task.plan == again.plan
    assert task.data.train.texts == again.data.train.texts
    assert task.model.config == again.model.config
    result = task.measure(task.model.eval())
    again.model.load_state_dict(task.model.state_dict())
    assert again.measure(again.model.eval()) == result
    assert task.card(result) == again.card(result)


def test_nothing_is_held_out(create: Create, table: Path, tmp_path: Path) -> None:
    task = create(table, val_fraction=0.0)
    result = task.measure(task.model)
    assert (result.metrics, result.temperature) == ({}, 1.0)
    task.plot(task.model, tmp_path)
    assert task.compare(task.model, tmp_path) == []
    assert not (tmp_path / "confusion.png").exists()
    assert not (tmp_path / "held_out.json").exists()
    assert "--temperature" in task.warnings[-1]


@pytest.mark.parametrize("texts", [2, 3, 5, 40])
def test_labels_with_too_few_texts(create: Create, tmp_path: Path, texts: int) -> None:
    """The share that the warning names is enough."""
    path = tmp_path / "few.csv"
    labels = "abcdefghijklm"
    path.write_text("".join(f"word {i}{label},{label}\n" for i in range(texts) for label in labels))
    task = create(path, val_fraction=0.0001)
    assert len(task.data.held_out) == 0
    found = re.fullmatch(
        r"no label has enough texts to hold a share of 0\.0001 of them out; give "
        r"--val-fraction (0\.\d+) or more, or --val-data",
        task.warnings[-2],
    )
    assert found
    rows = store_data(task._run, ClassifierRequest(data=(str(path),), val_fraction=float(found[1])))
    assert len(rows.held_out) == len(labels)


def test_labels_of_one_text_each(create: Create, tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("text,label\n" + "".join(f"word {i},{i * 7.5}\n" for i in range(30)))
    task = create(path, val_fraction=0.5, table=TableOptions(label_column="label"))
    assert "every text has a label of its own" in task.warnings[-2]
    assert "--label-column" in task.warnings[-2]


def test_held_out_rows_that_do_not_fit_into_memory(
    run: Run, create: Create, letters: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rnn_train.tasks.classifier.task.check_memory", lambda *_: None)
    monkeypatch.setattr(memory, "available", lambda _: 100)
    with pytest.raises(
        RunError, match=r"logits of 1[56] rows for 2 labels .*; hold fewer rows out"
    ):
        create(letters)
    assert not (run.folder / "config.json").exists()


def test_known_temperature_is_no_warning(create: Create, table: Path) -> None:
    task = create(table, val_fraction=0.0, temperature=1.2)
    assert task.warnings == []
    assert task.card(task.measure(task.model)).temperature == 1.2


@pytest.mark.usefixtures("no_export")
def test_log_and_files_of_a_run(train: Train, tmp_path: Path) -> None:
    lines: list[str] = []
    report = train(tmp_path / "run", lines)
    text = "\n".join(lines)
    assert "warning: 1 row repeats a text" in text
    assert "warning: 1 text carries more than one label ('twice')" in text
    kept = json.loads((tmp_path / "run" / "held_out.json").read_text())
    network, bayes, svm, guess = kept["models"]
    assert (network, bayes[:11], svm[:10]) == ("network", "naive Bayes", "linear SVM")
    assert guess == "always the most frequent label"
    for name, figures in kept["models"].items():
        assert f"{name:32} {figures['accuracy']:8.4f}  {figures['macro_f1']:8.4f}" in lines
    assert kept["models"]["network"]["accuracy"] == pytest.approx(report.metrics["accuracy"])
    assert set(kept["labels"]) == {"a", "b"}
    assert sum(each["rows"] for each in kept["labels"].values()) == report.metrics["held_out_rows"]
    best = max(each["macro_f1"] for each in kept["priors"].values())
    assert report.metrics["best_prior_macro_f1"] == pytest.approx(best)
    for picture in ("confusion.png", "reliability.png", "loss.png"):
        assert (tmp_path / "run" / picture).exists()


@pytest.mark.usefixtures("no_export")
def test_baselines_need_held_out_rows(train: Train, tmp_path: Path) -> None:
    lines: list[str] = []
    report = train(tmp_path / "run", lines, val_fraction=0.0, epochs=1)
    assert report.metrics == {}
    assert not any("on the held-out rows" in line for line in lines)
    assert not (tmp_path / "run" / "held_out.json").exists()


def test_model_that_does_not_fit_is_refused_before_it_is_made(
    create: Callable[..., ClassifierTask], letters: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "available", lambda _: 2**30)
    for model in ({"hidden": 8192, "layers": 8}, {"hidden": 8192, "layers": 16, "cell": "lstm"}):
        with pytest.raises(RunError, match=r"at least .* GiB .*; give a smaller --hidden or --lay"):
            create(letters, model=model)
    shape = {"hidden": 100, "embedding": 8, "ngrams": 1, "evidence": 1}
    monkeypatch.setattr(memory, "available", lambda _: 2**20)
    with pytest.raises(RunError, match=r"a batch of .* characters.*; give a smaller --batch or"):
        create(letters, model=shape, training={"batch": 60000})
    create(letters, model=shape, training={"batch": 16})
