"""A classifier's ensemble: a student learns its soft targets, whatever interrupts it."""

import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from rnn_train import pipeline
from rnn_train.distillation import row_targets
from rnn_train.errors import RunError
from rnn_train.evaluation import baselines
from rnn_train.tasks.classifier import recipe, teaching
from rnn_train.tasks.classifier import task as task_module
from rnn_train.tasks.classifier.task import ClassifierTask
from rnn_train.training import checkpoint
from rnn_train.training.loop import Trainer
from rnn_train.training.run import Run
from rnn_train.training.shared.crew import ALONE
from rnn_train.training_session import TrainingReport

pytestmark = pytest.mark.usefixtures("no_export")
Train = Callable[..., TrainingReport]


def soft_targets(folder: Path) -> Any:
    """The soft targets in a run folder of two labels, [rows, labels]."""
    return np.fromfile(folder / "targets.bin", "<f4").reshape(-1, 2)


def test_student_learns_from_its_teachers(train: Train, tmp_path: Path) -> None:
    lines: list[str] = []
    train(tmp_path / "run", lines, ensemble=2, epochs=3)
    assert [line for line in lines if line.startswith("teacher")] == [
        "teacher 1 of 2",
        "teacher 2 of 2",
    ]
    targets = soft_targets(tmp_path / "run")
    run = Run.open(tmp_path / "run")
    task = ClassifierTask(run)
    run.close()
    assert targets.shape == (len(task.data.train) + task.plan.synthetic, 2)
    np.testing.assert_allclose(targets.sum(1), 1, atol=1e-5)
    left = [each.name for each in (tmp_path / "run" / "teachers").glob("*/targets.*")]
    assert left == [], "those of the teachers are removed"
    # The loss depends on the soft targets.
    task.prepare(torch.device("cpu"), lines.append)
    task.model.eval()
    with torch.no_grad():
        loss, _ = task.objective(torch.device("cpu")).loss(0)
        objective = task.objective(torch.device("cpu"))
        assert objective._taught
        swapped = targets[:, ::-1].copy()
        objective._taught = dataclasses.replace(objective._taught, probabilities=swapped)
        other, _ = objective.loss(0)
    assert abs(float(loss) - float(other)) > 1e-3


def test_student_reads_rows_and_synthetic_texts(train: Train, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    train(folder, ensemble=1, epochs=1)
    texts, targets = json.loads((folder / "synthetic.json").read_text()), soft_targets(folder)
    run = Run.open(folder)
    task = ClassifierTask(run)
    run.close()
    rows = len(task.data.train)
    assert len(texts) == task.plan.synthetic > rows
    taught = task._teaching.taught_rows()
    read = taught.rows.take(taught.order)
    assert list(read.texts) == recipe.REPEATS * list(task.data.train.texts) + texts
    np.testing.assert_array_equal(taught.probabilities, targets)
    # The synthetic texts of "a" and of "b" have different letters.
    first = [text[0] <= "m" for text in texts]
    assert np.mean((targets[rows:].argmax(1) == 0) == first) > 0.9


def test_objective_learns_each_texts_own_soft_targets(train: Train, tmp_path: Path) -> None:
    train(tmp_path / "run", ensemble=1, epochs=1)
    run = Run.open(tmp_path / "run")
    task = ClassifierTask(run)
    objective = task.objective(torch.device("cpu"))
    run.close()
    taught = task._teaching.taught_rows()
    chosen = objective._batches.rows(0)
    assert len(chosen) == task.plan.training.batch
    expected = taught.probabilities[taught.order[chosen]]
    np.testing.assert_array_equal(objective._targets(chosen).numpy(), expected)


def test_ensemble_of_an_older_version(train: Train, tmp_path: Path) -> None:
    """Its plan names no synthetic texts: the student reads the training rows alone, once."""
    folder = tmp_path / "run"
    train(folder, ensemble=1, epochs=1)
    run = Run.open(folder)
    config = run.config()
    del config["synthetic"], config["repeats"]
    run.write_config(config)
    for name in ("synthetic.json", "targets.ckpt", "targets.bin"):
        (folder / name).unlink()
    for path in (folder / "teachers" / "1" / "checkpoints").iterdir():
        path.unlink()
    task = ClassifierTask(run)
    task.prepare(torch.device("cpu"), lambda _: None)
    taught = task._teaching.taught_rows()
    run.close()
    assert taught.rows.take(taught.order).texts == task.data.train.texts
    assert taught.probabilities.shape == (len(task.data.train), 2)
    assert not (folder / "synthetic.json").exists()


def test_interrupted_ensemble_ends_the_same(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(tmp_path / "whole", ensemble=2, epochs=2)
    fit, calls = Trainer.fit, []

    def stopped(self: Trainer) -> Any:
        calls.append(self.run.folder.name)
        outcome = fit(self)
        if len(calls) == 2:
            object.__setattr__(outcome, "finished", False)
        return outcome

    monkeypatch.setattr(Trainer, "fit", stopped)
    lines: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "cut", lines, ensemble=2, epochs=2)
    again = f"rnn-train classifier --resume {tmp_path / 'cut'} --out "
    assert lines[-1].startswith(f"interrupted; go on with: {again}")
    report = pipeline.resume(
        tmp_path / "cut", tmp_path / "cut.onnx", device="cpu", log=lines.append
    )
    assert report.finished
    assert report.metrics == pytest.approx(whole.metrics)
    np.testing.assert_allclose(
        soft_targets(tmp_path / "whole"), soft_targets(tmp_path / "cut"), atol=1e-6
    )


def test_killed_before_the_students_first_checkpoint(train: Train, tmp_path: Path) -> None:
    """The student starts again from the same weights, with the soft targets of its own teachers."""
    folder, out = tmp_path / "run", tmp_path / "again.onnx"
    whole = train(folder, ensemble=1, epochs=2)
    for path in (folder / "checkpoints").iterdir():
        path.unlink()
    lines: list[str] = []
    assert pipeline.resume(folder, out, log=lines.append).metrics == whole.metrics
    assert not any(line.startswith("teacher") for line in lines)

    for path in (folder / "checkpoints").iterdir():
        path.unlink()
    rows = folder / "rows.bin"
    rows.write_bytes(rows.read_bytes()[::-1])
    with pytest.raises(RunError, match=r"run: changed since .*: rows\.bin"):
        pipeline.resume(folder, out, log=lines.append)
    (folder / "targets.ckpt").unlink()
    with pytest.raises(RunError, match=r"run: changed since .*: rows\.bin"):
        pipeline.resume(folder, out, log=lines.append)


@pytest.mark.parametrize("ensemble", [0, 2])
def test_minutes_include_linear_models_and_teachers(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ensemble: int
) -> None:
    plain = baselines.fit_baselines

    def slow(*arguments: Any) -> Any:
        time.sleep(0.7)
        return plain(*arguments)

    monkeypatch.setattr(task_module, "fit_baselines", slow)
    started = time.monotonic()
    train(tmp_path / "run", epochs=None, minutes=0.05, ensemble=ensemble)
    seconds = time.monotonic() - started
    runs = [tmp_path / "run", *(tmp_path / "run" / "teachers").glob("*")]
    states = [checkpoint.load_latest(run / "checkpoints")[0] for run in runs]
    planned = sum(state["plan"]["minutes"] for state in states) * 60
    assert len(states) == ensemble + 1
    assert planned <= 3 - 0.7
    assert sum(state["elapsed"] for state in states) < seconds - 0.7


def test_large_table(
    create: Callable[..., ClassifierTask], letters: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No SVM is fitted, and the probabilities are kept in float16, a block at a time."""
    monkeypatch.setattr(baselines, "MAX_ROWS", 50)
    monkeypatch.setattr(row_targets, "BLOCK", 64)
    monkeypatch.setattr(row_targets, "_EXACT", 0)
    monkeypatch.setattr(teaching, "_SAID", 100)
    monkeypatch.setattr("rnn_train.distillation.linear.fit_baselines", None)
    task, lines = create(letters, ensemble=2, minutes=0.02, epochs=None), list[str]()
    task.prepare(torch.device("cpu"), lines.append)
    rows = len(task.data.train)
    assert lines[0].startswith(f"soft targets: {rows} rows × 2 labels take 0.0 GB in ")
    assert lines[1].startswith("linear teacher: hashed linear, letter 1–4-grams (")
    targets = task._teaching.taught_rows().probabilities
    assert targets.dtype == np.float16
    assert targets.shape == (rows, 2)
    np.testing.assert_allclose(targets.astype(np.float32).sum(1), 1, atol=2e-3)
    loss, _ = task.objective(torch.device("cpu")).loss(0)
    assert loss.dtype == torch.float32
    assert loss.isfinite()


def test_soft_targets_that_do_not_fit_are_refused_at_once(
    run: Run,
    create: Callable[..., ClassifierTask],
    letters: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=50_000))
    with pytest.raises(RunError, match=r"the soft targets of 3 teachers take .* GB, and .*free; "):
        create(letters, ensemble=3)
    assert not (run.folder / "config.json").exists()
    assert create(letters, ensemble=1).plan.ensemble == 1


def test_minutes_of_a_network(create: Callable[..., ClassifierTask], letters: Path) -> None:
    """After 60 seconds, and with 30 for each network to read all rows, 10 minutes are 8 for three
    networks; however long the reading, half of the rest is for training."""
    teach = create(letters, ensemble=2, minutes=10.0, epochs=None)._teaching
    assert teach._minutes(60, 30, ALONE) == pytest.approx(8 / 3)
    assert teach._minutes(60, 3000, ALONE) == pytest.approx(4.5 / 3)


def test_folder_of_an_older_version(train: Train, tmp_path: Path) -> None:
    """It has the soft targets in one file with what they were made of."""
    folder, out = tmp_path / "run", tmp_path / "again.onnx"
    whole = train(folder, ensemble=1, epochs=2)
    kept = checkpoint.read(folder / "targets.ckpt")
    old = {"origin": kept["origin"], "targets": torch.from_numpy(soft_targets(folder))}
    checkpoint.write(folder / "targets.ckpt", old)
    (folder / "targets.bin").unlink()
    for path in (folder / "checkpoints").iterdir():
        path.unlink()
    assert pipeline.resume(folder, out, log=lambda _: None).metrics == whole.metrics
