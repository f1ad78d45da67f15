"""The held-out text is measured, and then it is learnt too."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from rnn_infer.runtime.stepper import Stepper
from rnn_train import pipeline
from rnn_train.errors import RunError
from rnn_train.evaluation.language_model import held_out_loss
from rnn_train.evaluator import evaluate
from rnn_train.run_task import finished_task
from rnn_train.tasks.charlm.last_phase import read_result
from rnn_train.tasks.charlm.task import CharLMTask
from rnn_train.training import checkpoint
from rnn_train.training_session import TrainingReport

Start = Callable[..., TrainingReport]
Interrupt = Callable[..., list[str]]
FAST = {
    "epochs": 10.0,
    "training": {"batch": 16, "window": 32, "learning_rate": 0.03, "muon": 2.0},
}


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A text whose held-out middle holds a word that stands nowhere else."""
    words = np.random.default_rng(0).choice(["the", "cat", "sat", "mat", "dog"], 1400).tolist()
    text = " ".join(words)[:4000]
    path = tmp_path / "secret.txt"
    path.write_text(text[:1850] + "zyx " * 75 + text[2150:])
    return path


def test_held_out_text_is_learnt_at_last(start: Start, secret: Path) -> None:
    losses = {}
    for learn in (True, False):
        lines: list[str] = []
        report = start("charlm", secret, f"run{learn}", lines.append, learn_held_out=learn, **FAST)
        with finished_task(report.run) as task:
            assert isinstance(task, CharLMTask)
            losses[learn] = held_out_loss(task.model, task.data.held_out, 1)
        assert ("; the last 20% of the run learns them too" in " ".join(lines)) is learn
    assert losses[True] < losses[False] - 0.05


def test_figures_are_those_of_the_last_measurement(start: Start, story: Path) -> None:
    report = start("charlm", story, **FAST)
    kept = json.loads((report.run / "measured.json").read_text())
    assert report.metrics == kept["metrics"]
    state, _ = checkpoint.load_latest(report.run / "checkpoints")
    begun = state["task"]["last_phase"]
    assert begun == kept["metrics"]["held_out_measured_at_step"] == np.ceil(0.8 * state["step"])
    facts = Stepper.open(report.out).file.metadata.training
    assert facts["held_out_measured_at_step"] == begun
    assert facts["temperature"] == round(kept["temperature"], 4)
    rows = [json.loads(row) for row in (report.run / "metrics.jsonl").read_text().splitlines()]
    assert all(("val_loss" in row) is (row["step"] <= begun) for row in rows)
    # Another export has the same temperature, not one of text that was learnt.
    pipeline.export(report.run, report.out.with_name("again.onnx"), log=lambda _: None)
    assert Stepper.open("again.onnx").file.metadata.training == facts


@pytest.mark.parametrize("step", [10, 52, 53, 60])
def test_resumed_run_ends_the_same(
    start: Start, interrupt: Interrupt, story: Path, step: int
) -> None:
    """The last phase begins at step 52 or 53 of 65."""
    whole = start("charlm", story, "whole", **FAST)
    interrupt("charlm", story, step, killed=False, **FAST)
    resumed = pipeline.resume(Path("run"), log=lambda _: None)
    assert resumed.out.read_bytes() == whole.out.read_bytes()


def test_killed_run_forgets_a_measurement_that_it_did_not_reach(
    start: Start, interrupt: Interrupt, story: Path
) -> None:
    whole = start("charlm", story, "whole", **FAST)
    interrupt("charlm", story, 40, killed=True, **FAST)
    stale = {"temperature": 9.0, "metrics": {"held_out_nats_per_char": 9.0}}
    Path("run/measured.json").write_text(json.dumps(stale))
    resumed = pipeline.resume(Path("run"), log=lambda _: None)
    assert resumed.metrics == whole.metrics
    assert resumed.out.read_bytes() == whole.out.read_bytes()


def test_text_of_its_own_is_never_learnt(start: Start, story: Path, tmp_path: Path) -> None:
    (tmp_path / "held.txt").write_text("the fox sees a tree.\n" * 30)
    report = start("charlm", story, val_data=str(tmp_path / "held.txt"), epochs=1.0)
    assert "held_out_measured_at_step" not in report.metrics
    assert not (report.run / "measured.json").exists()


def test_soft_targets_of_the_held_out_text(
    start: Start, finished: TrainingReport, story: Path
) -> None:
    report = start("charlm", story, teachers=(finished.out,), epochs=2.0)
    assert "held_out_measured_at_step" in report.metrics
    with finished_task(report.run) as task:
        assert isinstance(task, CharLMTask)
        objective = task.objective(torch.device("cpu"))
        objective.begin_last_phase(task.model.eval(), 5)
        assert torch.isfinite(objective.loss(6)[0])


@pytest.mark.parametrize("content", ["{", "[]", '{"metrics": {}}'])
def test_damaged_figures(tmp_path: Path, content: str) -> None:
    (tmp_path / "measured.json").write_text(content)
    with pytest.raises(RunError, match=r"measured\.json is damaged .*; put the old contents back"):
        read_result(tmp_path)


def test_lost_figures_are_not_measured_on_learnt_text(
    finished: TrainingReport, tmp_path: Path
) -> None:
    """What was measured is gone, and the model has learnt the text since."""
    run = tmp_path / "copy"
    shutil.copytree(finished.run, run)
    (run / "measured.json").unlink()
    for call in (
        lambda: pipeline.export(run, tmp_path / "new.onnx"),
        lambda: evaluate(run, [str(finished.run.parent / "story.txt")]),
    ):
        with pytest.raises(RunError, match=r"measured.json is gone, .* start a new run"):
            call()
    assert not (tmp_path / "new.onnx").exists()
