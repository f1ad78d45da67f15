"""How good a classifier is on its held-out rows, and what its file says about that."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy

from rnn_infer.runtime.stepper import Stepper
from rnn_train.data.split import best_possible_accuracy
from rnn_train.evaluation import calibration, metrics, temperature
from rnn_train.evaluation.calibration import CalibratedHalves
from rnn_train.evaluation.classification import held_out_logits
from rnn_train.evaluation.temperature import fit_to_logits
from rnn_train.run_task import finished_task
from rnn_train.tasks.classifier import measurement, validation_rows
from rnn_train.tasks.classifier.comparison import ALWAYS
from rnn_train.tasks.classifier.measurement import Measurement
from rnn_train.tasks.classifier.task import ClassifierTask
from rnn_train.tasks.classifier.validation_rows import measured_sample
from rnn_train.tasks.task import HeldOutResult
from rnn_train.training_session import TrainingReport

Create = Callable[..., ClassifierTask]


@pytest.fixture
def task(create: Create, letters: Path) -> ClassifierTask:
    """An untrained model, with 46 held-out rows."""
    task = create(letters, val_fraction=0.3)
    task.model.eval()
    return task


def test_result(task: ClassifierTask) -> None:
    found = Measurement(task.model, task.data, task.plan).result()
    logits, labels = held_out_logits(task.model, task.data.alphabet, task.data.held_out)
    assert found.temperature == fit_to_logits(logits, labels).temperature
    assert found.metrics["accuracy"] == pytest.approx(metrics.accuracy(logits, labels))
    assert found.metrics["held_out_rows"] == len(labels) == len(task.data.held_out)
    best = found.metrics["best_prior_macro_f1"]
    assert best >= metrics.macro_f1(logits, labels) - 1e-6
    assert 0 <= found.metrics["best_prior"] <= 1


def test_plots(task: ClassifierTask, tmp_path: Path) -> None:
    Measurement(task.model, task.data, task.plan).plot(tmp_path)
    for name in ("confusion.png", "reliability.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_comparison_without_baselines(task: ClassifierTask, tmp_path: Path) -> None:
    lines = Measurement(task.model, task.data, task.plan).compare([], tmp_path)
    kept = json.loads((tmp_path / "held_out.json").read_text("utf-8"))
    assert set(kept["models"]) == {"network", ALWAYS}
    assert lines[1].startswith("network")
    assert len(lines) == 4, "nothing is recommended"
    assert lines[3].startswith("no model"), "an untrained network has learnt nothing"
    assert set(kept["labels"]) == {"a", "b"}


@pytest.mark.parametrize("balance", [0.0, 0.5])
@pytest.mark.parametrize(("pull", "learnt"), [(0.0, False), (3.0, True), (-3.0, False)])
def test_learnt_is_less_cross_entropy_than_the_shares_have(
    create: Create,
    letters: Path,
    monkeypatch: pytest.MonkeyPatch,
    balance: float,
    pull: float,
    learnt: bool,
) -> None:
    task = create(letters, val_fraction=0.3, balance=balance)
    labels = torch.tensor(task.data.held_out.indices)
    right = torch.nn.functional.one_hot(labels, 2)
    logits = torch.tensor(task.data.log_prior(balance)) + pull * right
    monkeypatch.setattr(measurement, "held_out_logits", lambda *_: (logits.float(), labels))
    monkeypatch.setattr(CalibratedHalves, "of", lambda logits, *_: logits)
    assert Measurement(task.model, task.data, task.plan)._learnt == learnt


def test_model_card(task: ClassifierTask) -> None:
    result = HeldOutResult({"accuracy": 0.123456}, 0.9)
    card = measurement.model_card(task.data, 0.25, result)
    assert (card.labels, card.temperature) == (("a", "b"), 0.9)
    assert card.log_prior == task.data.log_prior(0.25)
    assert card.training["accuracy"] == 0.1235
    assert card.training["data_rows"] == len(task.data.train)


def test_loss_of_a_file(
    finished_classifier: TrainingReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the training rows if too few are held out: here 8 are."""
    stepper = Stepper.open(finished_classifier.out)
    with finished_task(finished_classifier.run) as task:
        assert isinstance(task, ClassifierTask)
        data, temperature = task.data, task.measure(task.model).temperature

        def nats(side: str) -> float:
            logits, labels = held_out_logits(task.model, data.alphabet, getattr(data, side))
            return float(cross_entropy(logits / temperature, labels))

        assert measurement.loss_of_file(stepper, data) == pytest.approx(nats("train"), abs=1e-5)
        monkeypatch.setattr(measurement, "LOSS_ROWS", 80)
        assert measurement.loss_of_file(stepper, data) == pytest.approx(nats("held_out"), abs=1e-5)
        assert abs(nats("train") - nats("held_out")) > 1e-4


def test_ceiling_of_contradictory_rows(create: Create, letters: Path, tmp_path: Path) -> None:
    held = tmp_path / "held.csv"
    held.write_text("same,a\nsame,a\nsame,b\nabc,a\nxyz,b\n" * 5)
    task = create(letters, val_data=str(held))
    found = Measurement(task.model.eval(), task.data, task.plan).result()
    assert found.metrics["best_possible_accuracy"] == 0.8
    assert measurement.model_card(task.data, 0.0, found).training["best_possible_accuracy"] == 0.8


def test_memory_does_not_change_the_figures(
    task: ClassifierTask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def figures() -> tuple[HeldOutResult, object, str]:
        measured = Measurement(task.model, task.data, task.plan)
        result = measured.result()
        measured.compare([], tmp_path)
        return result, measured.scores(1.3), (tmp_path / "held_out.json").read_text("utf-8")

    whole = figures()
    monkeypatch.setattr(calibration, "_BLOCK", 2 * 7)
    assert figures() == whole


def test_rows_of_foreign_characters_decide_no_calibration(
    task: ClassifierTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = Measurement(task.model, task.data, task.plan)
    measured._readable[::3] = False
    rows = measured._readable
    found = measured.result()
    expected = fit_to_logits(measured._logits[rows], measured._labels[rows]).temperature
    assert found.temperature == expected
    assert "of the 46 held-out rows most characters never occur" in found.warnings[-1]
    monkeypatch.setattr(temperature, "_MIN_ITEMS", 10)
    monkeypatch.setattr(temperature, "_MAX_LOGITS", 10)
    expected = fit_to_logits(measured._logits[rows], measured._labels[rows]).temperature
    assert measured.result().temperature == expected != found.temperature


def test_of_many_held_out_rows_a_sample_is_measured(
    create: Create, letters: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The figures say so, and all are of the same rows."""
    held = tmp_path / "held.csv"
    held.write_text("same,a\nsame,a\nsame,b\nabc,a\nxyz,b\n" * 5)
    task = create(letters, val_data=str(held), minutes=0.01, epochs=None)
    task.model.eval()
    whole = task.measure(task.model)
    monkeypatch.setattr(validation_rows, "_TOKENS", 40)
    monkeypatch.setattr(validation_rows, "_TOKENS_A_SECOND", 1)
    seconds = task.seconds_after(1.0)
    found = task.measure(task.model)
    rows = measured_sample(task.data.held_out, 2, 0.01)
    assert found.metrics["held_out_rows"] == len(rows) < 25 == whole.metrics["held_out_rows"]
    assert found.metrics["best_possible_accuracy"] < 1
    best = best_possible_accuracy(rows.keys(), rows.indices)
    assert found.metrics["best_possible_accuracy"] == best
    assert any(f"of {len(rows)} rows, drawn by chance from 25" in each for each in found.warnings)
    assert not any("drawn by chance" in each for each in whole.warnings)
    assert seconds < 4
    task.compare(task.model, tmp_path)
    labels = json.loads((tmp_path / "held_out.json").read_text("utf-8"))["labels"]
    assert sum(each["rows"] for each in labels.values()) == len(rows)
