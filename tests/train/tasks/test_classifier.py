"""A classifier's run as a whole: baselines beside it, an ensemble's lesson, a cell of one's own."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import rnn_infer
from rnn_train import pipeline, training_session
from rnn_train.data.alphabet import Alphabet, label_indices
from rnn_train.data.labelled import load_rows
from rnn_train.distillation.linear import linear_soft_targets, mix_soft_targets
from rnn_train.errors import CellError, RunError
from rnn_train.evaluation import baselines
from rnn_train.evaluation.classification import logits_of
from rnn_train.tasks.classifier import measurement, task
from rnn_train.tasks.classifier.task import ClassifierTask
from rnn_train.tasks.request import ClassifierRequest
from rnn_train.training import checkpoint
from rnn_train.training.loop import Trainer
from rnn_train.training.run import Run
from rnn_train.training_session import TrainingReport

SMALL = {"hidden": 12, "embedding": 8}


@pytest.fixture
def table(tmp_path: Path) -> str:
    """150 texts: of "a" label those with more of the letters a to m."""
    random = np.random.default_rng(0)
    lines = []
    for index in range(150):
        first = index % 3 > 0
        letters = random.integers(13, size=6) + (0 if first else 13)
        lines.append("".join(chr(97 + i) for i in letters) + (",a" if first else ",b"))
    path = tmp_path / "rows.csv"
    path.write_text("\n".join([*lines, "twice,a", "twice,b"]) + "\n")
    return str(path)


@pytest.fixture
def no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that look at the run only: the export takes seconds."""
    monkeypatch.setattr(training_session, "export", lambda *_, **__: {})


def train(folder: Path, table: str, **asked: Any) -> tuple[list[str], TrainingReport]:
    said: list[str] = []
    defaults: dict[str, Any] = {"val_fraction": 0.3, "epochs": 12, "model": SMALL}
    request = ClassifierRequest(data=(table,), **(defaults | asked))
    out = folder.with_suffix(".onnx")
    report = pipeline.train(request, out, folder=folder, device="cpu", log=said.append)
    return said, report


@pytest.mark.usefixtures("no_file")
def test_what_is_said_and_kept(tmp_path: Path, table: str) -> None:
    said, report = train(tmp_path / "run", table)
    text = "\n".join(said)
    assert "warning: 1 rows repeat a text" in text
    assert "warning: 1 texts carry more than one label ('twice')" in text
    kept = json.loads((tmp_path / "run" / "held_out.json").read_text())
    network, bayes, svm = kept["models"]
    assert (network, bayes[:11], svm[:10]) == ("network", "naive Bayes", "linear SVM")
    for name, figures in kept["models"].items():
        assert f"{name:32} {figures['accuracy']:8.4f}  {figures['macro_f1']:8.4f}" in said
    assert kept["models"]["network"]["accuracy"] == pytest.approx(report.metrics["accuracy"])
    assert set(kept["labels"]) == {"a", "b"}
    assert sum(each["rows"] for each in kept["labels"].values()) == report.metrics["held_out_rows"]
    best = max(each["macro_f1"] for each in kept["priors"].values())
    assert report.metrics["best_prior_macro_f1"] == pytest.approx(best)
    for picture in ("confusion.png", "reliability.png", "loss.png"):
        assert (tmp_path / "run" / picture).exists()


@pytest.mark.parametrize(("network", "expected"), [(0.8, True), (0.9, False)])
def test_a_simpler_model_is_recommended(network: float, expected: bool) -> None:
    figures = {
        "network": {"accuracy": network, "macro_f1": 0.9},
        "naive Bayes": {"accuracy": 0.7, "macro_f1": 0.1},
        "linear SVM": {"accuracy": 0.8, "macro_f1": 0.1},
    }
    lines = measurement._table(figures)
    assert lines[1:4] == [
        f"{'network':32} {network:8.4f}    0.9000",
        f"{'naive Bayes':32}   0.7000    0.1000",
        f"{'linear SVM':32}   0.8000    0.1000",
    ]
    assert lines[4:] == (["linear SVM: as good here as the network, and simpler"] * expected)


@pytest.mark.usefixtures("no_file")
def test_nothing_held_out_nothing_compared(tmp_path: Path, table: str) -> None:
    said, report = train(tmp_path / "run", table, val_fraction=0.0, epochs=1)
    assert report.metrics == {}
    assert not any("on the held-out rows" in line for line in said)
    assert not (tmp_path / "run" / "held_out.json").exists()


# --- an ensemble ----------------------------------------------------------------------


def taught(folder: Path) -> Any:
    """What a run's ensemble teaches, [rows, labels]."""
    return checkpoint.read(folder / "targets.ckpt")["targets"].numpy()


def test_blend_is_a_probability() -> None:
    random = np.random.default_rng(0)
    answers = [random.dirichlet(np.ones(3), 5).astype(np.float32) for _ in range(5)]
    found = mix_soft_targets(answers[:3], answers[3:])
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(
        found[2, 1],
        0.2 * sum(e[2, 1] for e in answers[:3]) + 0.2 * (answers[3] + answers[4])[2, 1],
        rtol=1e-5,
    )


def test_linear_models_teach_what_they_believe(table: str) -> None:
    rows = load_rows([table])
    alphabet = Alphabet.of(rows)
    for answers in linear_soft_targets(rows, alphabet, seed=0):
        np.testing.assert_allclose(answers.sum(1), 1, atol=1e-5)
        right = answers.argmax(1) == label_indices(rows, alphabet)
        assert right.mean() > 0.95
        twice = answers[[text == "twice" for text in rows.texts]]
        assert (twice.max(1) < 0.95).all()


@pytest.mark.usefixtures("no_file")
def test_the_pupil_learns_from_its_teachers(tmp_path: Path, table: str) -> None:
    said, _ = train(tmp_path / "run", table, ensemble=2, epochs=3)
    assert [line for line in said if line.startswith("teacher")] == [
        "teacher 1 of 2",
        "teacher 2 of 2",
    ]
    targets = taught(tmp_path / "run")
    run = Run.open(tmp_path / "run")
    task = ClassifierTask(run)
    run.close()
    sides = (tmp_path / "run" / "rows.jsonl").read_text().splitlines()
    assert targets.shape == (sum('"train"' in line for line in sides), 2)
    np.testing.assert_allclose(targets.sum(1), 1, atol=1e-5)
    # The task's loss is against these targets, and not against the labels.
    task.prepare(torch.device("cpu"), said.append)
    task.model.eval()
    with torch.no_grad():
        loss, _ = task.objective(torch.device("cpu")).loss(0)
        task._soft_targets = targets[:, ::-1].copy()
        other, _ = task.objective(torch.device("cpu")).loss(0)
    assert abs(float(loss) - float(other)) > 1e-3


@pytest.mark.usefixtures("no_file")
def test_interrupted_among_the_teachers(
    tmp_path: Path, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, whole = train(tmp_path / "whole", table, ensemble=2, epochs=2)
    fit, calls = Trainer.fit, []

    def stopped(self: Trainer) -> Any:
        calls.append(self.run.folder.name)
        outcome = fit(self)
        if len(calls) == 2:
            object.__setattr__(outcome, "finished", False)
        return outcome

    monkeypatch.setattr(Trainer, "fit", stopped)
    said: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        pipeline.train(
            ClassifierRequest(data=(table,), val_fraction=0.3, epochs=2, model=SMALL, ensemble=2),
            tmp_path / "cut.onnx",
            folder=tmp_path / "cut",
            device="cpu",
            log=said.append,
        )
    assert said[-1] == f"interrupted; go on with: rnn-train classifier --resume {tmp_path / 'cut'}"
    report = pipeline.resume(tmp_path / "cut", tmp_path / "cut.onnx", device="cpu", log=said.append)
    assert report.finished
    assert report.metrics == pytest.approx(whole.metrics)
    np.testing.assert_allclose(taught(tmp_path / "whole"), taught(tmp_path / "cut"), atol=1e-6)


@pytest.mark.usefixtures("no_file")
def test_killed_between_the_lesson_and_its_first_checkpoint(tmp_path: Path, table: str) -> None:
    """The pupil begins again as it began, and with what its own teachers knew only."""
    folder, out = tmp_path / "run", tmp_path / "again.onnx"
    _, whole = train(folder, table, ensemble=1, epochs=2)
    for path in (folder / "checkpoints").iterdir():
        path.unlink()
    said: list[str] = []
    assert pipeline.resume(folder, out, log=said.append).metrics == whole.metrics
    assert not any(line.startswith("teacher") for line in said)

    for path in (folder / "checkpoints").iterdir():
        path.unlink()
    rows = folder / "rows.jsonl"
    rows.write_text(rows.read_text().replace("twice", "thrice"))
    with pytest.raises(RunError, match=r"run: changed since .*: rows\.jsonl"):
        pipeline.resume(folder, out, log=said.append)
    (folder / "targets.ckpt").unlink()
    with pytest.raises(RunError, match=r"run: changed since .*: rows\.jsonl"):
        pipeline.resume(folder, out, log=said.append)


# --- a cell of one's own --------------------------------------------------------------

LEAKY = """
import torch
from torch import nn
from rnn_train import Cell

class Leaky(Cell):
    def __init__(self, input_size, width):
        super().__init__(input_size, {"fast": width, "slow": 2})
        self.mix = nn.Linear(input_size + width + 2, width)

    def forward(self, x, state):
        fast, slow = state
        new = torch.tanh(self.mix(torch.cat([x, fast, slow], -1)))
        return 0.5 * fast + 0.5 * new, 0.9 * slow + 0.1 * new[:, :2]
"""


def test_cell_of_ones_own(tmp_path: Path, table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trained, resumed, exported and run with no change but its name."""
    (tmp_path / "my_cells_here.py").write_text(LEAKY)
    monkeypatch.chdir(tmp_path)
    cell = "my_cells_here:Leaky"
    with monkeypatch.context() as patch:
        patch.setattr(training_session, "export", lambda *_, **__: {})
        _, report = train(tmp_path / "run", table, epochs=4, model=SMALL | {"cell": cell})
    assert report.metrics["accuracy"] > 0.8
    again, third = tmp_path / "again.onnx", tmp_path / "third.onnx"
    pipeline.resume(tmp_path / "run", again, device="cpu", log=lambda _: None)
    pipeline.export(tmp_path / "run", third)
    assert again.read_bytes() == third.read_bytes()
    classifier = rnn_infer.Classifier.load(again, device="cpu")
    assert [e.label for e in classifier.classify(["abcabc", "xyzxyz"])] == ["a", "b"]
    assert len(classifier.trace("abc")) == 3

    monkeypatch.delitem(sys.modules, "my_cells_here")
    (tmp_path / "my_cells_here.py").unlink()
    with pytest.raises(CellError, match="my_cells_here cannot be imported"):
        pipeline.export(tmp_path / "run", tmp_path / "fourth.onnx")


# --- rare labels ----------------------------------------------------------------------


def test_balance_favours_the_rare_label(
    tmp_path: Path, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trained with a balance, all answers lean towards "b", which has a third of the rows; and a
    `prior` of 1 means the same for every file: all labels alike."""
    exported: list[tuple[Any, Any]] = []
    monkeypatch.setattr(
        training_session, "export", lambda model, card, _: exported.append((model, card))
    )
    for balance in (0.0, 0.8):
        train(tmp_path / f"run{balance}", table, balance=balance, epochs=3)
    rare = [
        torch.softmax(logits_of(model, Alphabet(card.vocabulary, card.labels), ["ambncozp"]), -1)
        for model, card in exported
    ]
    believed = [float(each[0, 1]) for each in rare]
    left = [card.log_prior for _, card in exported]
    assert believed[1] > believed[0]
    assert left[1] == pytest.approx([0.2 * each for each in left[0]])
    assert np.exp(left[0]).sum() == pytest.approx(1)


# --- minutes --------------------------------------------------------------------------


@pytest.mark.usefixtures("no_file")
@pytest.mark.parametrize("ensemble", [0, 2])
def test_minutes_hold_the_linear_models_and_the_teachers(
    tmp_path: Path, table: str, monkeypatch: pytest.MonkeyPatch, ensemble: int
) -> None:
    plain = baselines.fit_baselines

    def slow(*arguments: Any) -> Any:
        time.sleep(1.5)
        return plain(*arguments)

    monkeypatch.setattr(task, "fit_baselines", slow)
    started = time.monotonic()
    train(tmp_path / "run", table, epochs=None, minutes=0.1, ensemble=ensemble)
    seconds = time.monotonic() - started
    runs = [tmp_path / "run", *(tmp_path / "run" / "teachers").glob("*")]
    states = [checkpoint.load_latest(run / "checkpoints")[0] for run in runs]
    planned = sum(state["plan"]["minutes"] for state in states) * 60
    assert len(states) == ensemble + 1
    assert planned <= 6 - 1.5
    assert sum(state["elapsed"] for state in states) < seconds - 1.5


@pytest.mark.usefixtures("no_file")
@pytest.mark.parametrize(("hidden", "expected"), [(255, torch.float32), (256, torch.bfloat16)])
def test_wide_layers_learn_in_bfloat16(
    tmp_path: Path,
    table: str,
    monkeypatch: pytest.MonkeyPatch,
    hidden: int,
    expected: torch.dtype,
) -> None:
    """On a processor that says that it computes in it; here it may be emulated."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    taken: list[torch.dtype] = []

    class Spied(Trainer):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            taken.append(self.learner.precision)

    monkeypatch.setattr(training_session, "Trainer", Spied)
    shape = {"hidden": hidden, "embedding": 8}
    _, report = train(tmp_path / "run", table, epochs=8, model=shape)
    assert taken == [expected]
    assert report.metrics["accuracy"] > 0.8
