"""Prediction sets from training to evaluation: a run and its file, and refusals with the reason."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import rnn_infer
from rnn_infer import OptionError
from rnn_infer.conformal.threshold import threshold
from rnn_train import pipeline
from rnn_train.cli import main
from rnn_train.errors import EvaluationError
from rnn_train.evaluation.figures import ClassifierFigures
from rnn_train.evaluator import evaluate
from rnn_train.pipeline import ExportOptions
from rnn_train.run_task import finished_task
from rnn_train.tasks.classifier.task import ClassifierTask
from rnn_train.training_session import TrainingReport

Start = Callable[..., TrainingReport]


def section(path: Path) -> Any:
    return rnn_infer.load(path).metadata.classifier


def test_file_keeps_the_scores_of_its_held_out_rows(finished_classifier: TrainingReport) -> None:
    held_out = section(finished_classifier.out).held_out
    assert held_out.rows == len(held_out.scores) == 8
    with finished_task(finished_classifier.run) as task:
        assert isinstance(task, ClassifierTask)
        texts, labels = list(task.data.held_out.texts), task.data.held_out.labels
    model = rnn_infer.Classifier.load(finished_classifier.out, device="cpu")
    found = model.classify(texts, top=2)
    scores = [1 - dict(each.top)[label] for each, label in zip(found, labels, strict=True)]
    assert sorted(scores) == pytest.approx(list(held_out.scores), abs=1e-5)


def test_run_and_file_agree(finished_classifier: TrainingReport, table: Path) -> None:
    run, file = (
        evaluate(target, [str(table)], coverage=0.8, device="cpu")
        for target in (finished_classifier.run, finished_classifier.out)
    )
    assert isinstance(run, ClassifierFigures)
    assert isinstance(file, ClassifierFigures)
    assert file.metrics == pytest.approx(run.metrics, abs=1e-4)
    assert 1 <= run.metrics["mean_set_size"] <= 2
    model = rnn_infer.Classifier.load(finished_classifier.out, device="cpu")
    lines = table.read_text("utf-8").splitlines()[1:]
    texts, labels = zip(*(line.split(",") for line in lines), strict=True)
    sets = [each.labels for each in model.classify(list(texts), coverage=0.8)]
    held = [label in each for label, each in zip(labels, sets, strict=True)]
    assert run.metrics["coverage"] == pytest.approx(sum(held) / len(held), abs=1e-6)


def test_scores_follow_the_temperature(finished_classifier: TrainingReport) -> None:
    for temperature in (0.5, 4.0):
        pipeline.export(
            finished_classifier.run, Path("m.onnx"), ExportOptions(temperature=temperature)
        )
        limit = threshold(section(Path("m.onnx")).held_out, 0.8)
        assert limit != threshold(section(finished_classifier.out).held_out, 0.8)


def test_scores_survive_another_export(finished_classifier: TrainingReport) -> None:
    pipeline.export(finished_classifier.out, Path("again.onnx"))
    assert section(Path("again.onnx")) == section(finished_classifier.out)


def test_nothing_is_held_out(start: Start, table: Path) -> None:
    report = start("classifier", table, val_fraction=0.0)
    assert section(report.out).held_out is None
    for target in (report.run, report.out):
        with pytest.raises(OptionError, match="nothing was held out"):
            evaluate(target, [str(table)], coverage=0.9, device="cpu")


def test_two_held_out_rows(start: Start, table: Path) -> None:
    """They hardly move the temperature, and allow for two thirds of the sets."""
    report = start("classifier", table, "small", val_fraction=0.02)
    held_out = section(report.out).held_out
    assert held_out.rows == 2
    facts = rnn_infer.load(report.out).metadata.training
    assert 0.9 <= float(facts["temperature"]) <= 1.3
    with pytest.raises(OptionError, match=r"ask for 0\.666 or less"):
        evaluate(report.out, [str(table)], coverage=0.9, device="cpu")


def test_student_of_an_ensemble(start: Start, table: Path) -> None:
    report = start("classifier", table, ensemble=2)
    assert section(report.out).held_out.rows == 8


@pytest.mark.parametrize("balance", [0.0, 1.0])
def test_balance(start: Start, table: Path, balance: float) -> None:
    report = start("classifier", table, balance=balance)
    found = evaluate(report.out, [str(table)], coverage=0.7, device="cpu")
    assert isinstance(found, ClassifierFigures)
    assert found.metrics["coverage"] > 0.5


def test_command(
    finished_classifier: TrainingReport, finished: TrainingReport, table: Path
) -> None:
    def run(*options: str) -> Any:
        return CliRunner().invoke(main, ["evaluate", *options, "--data", str(table)])

    done = run(str(finished_classifier.out), "--coverage", "0.8", "--json")
    figures = json.loads(done.stdout)
    assert {"coverage", "mean_set_size"} <= set(figures)
    assert all({"coverage", "mean_set_size"} <= set(label) for label in figures["labels"])
    refused = run(str(finished_classifier.out), "--coverage", "0.99")
    assert refused.exit_code == 1
    assert "needs 99 held-out rows, and this file has the scores of 8" in refused.output
    for target in (finished.out, finished.run):
        with pytest.raises(EvaluationError, match="drop --coverage"):
            evaluate(target, [str(table)], coverage=0.9, device="cpu")


def test_coverage_of_an_int8_file(finished_classifier: TrainingReport, table: Path) -> None:
    """The scores of the float32 weights hold for int8 weights too."""
    pipeline.export(finished_classifier.run, Path("int8.onnx"), ExportOptions(weights="int8"))
    assert section(Path("int8.onnx")).held_out == section(finished_classifier.out).held_out
    small, whole = (
        evaluate(target, [str(table)], coverage=0.8, device="cpu")
        for target in (Path("int8.onnx"), finished_classifier.out)
    )
    assert isinstance(small, ClassifierFigures)
    assert isinstance(whole, ClassifierFigures)
    assert small.metrics["coverage"] == pytest.approx(whole.metrics["coverage"], abs=0.05)


def test_labels_by_chance(start: Start, tmp_path: Path) -> None:
    """A third of the held-out labels come by chance: the file knows, and agrees with its run."""
    random = np.random.default_rng(0)
    names = ["".join(random.choice(list("abcdef"), 5)) for _ in range(1600)]
    sure = np.array(["x" if name < "d" else "y" for name in names])
    labels = np.where(random.random(len(names)) < 0.33, random.choice(["x", "y"], 1600), sure)
    pairs = zip(names, [*sure[:500], *labels[500:]], strict=True)
    rows = [f"{name},{label}\n" for name, label in pairs]
    train, held_out = tmp_path / "train.csv", tmp_path / "held_out.csv"
    train.write_text("".join(rows[:500]))
    held_out.write_text("".join(rows[500:]))
    report = start("classifier", train, "noisy", val_data=str(held_out), epochs=8.0)
    noise = section(report.out).noise
    assert noise is not None
    assert 0.2 < sum(noise) < 0.45
    facts = rnn_infer.load(report.out).metadata.training
    assert facts["label_noise"] == pytest.approx(sum(noise), abs=1e-4)
    run, file = (
        evaluate(target, [str(held_out)], device="cpu") for target in (report.run, report.out)
    )
    assert isinstance(run, ClassifierFigures)
    assert isinstance(file, ClassifierFigures)
    assert file.metrics == pytest.approx(run.metrics, abs=1e-4)
    assert file.metrics["calibration_error"] < 0.05
