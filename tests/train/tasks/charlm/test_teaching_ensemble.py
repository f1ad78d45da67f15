"""Teachers that a character model's run trains itself."""

import json
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from rnn_infer.runtime.stepper import Stepper
from rnn_train import pipeline
from rnn_train.distillation.teachers import open_soft_targets
from rnn_train.tasks.charlm.objective import CharLMObjective
from rnn_train.training import checkpoint
from rnn_train.training_session import TrainingReport

Learn = Callable[..., TrainingReport]


def test_two_are_trained_and_one_is_given(
    learn: Learn, finished: TrainingReport, story: Path, tmp_path: Path
) -> None:
    """Each network has its own seed. Teachers have more dropout than their student."""
    lines: list[str] = []
    report = learn(story, tmp_path / "run", finished.out, ensemble=2, epochs=5.0, log=lines.append)
    assert [line for line in lines if "teacher" in line] == [
        "teacher 1 of 2",
        "teacher 2 of 2",
        "3 teachers read the text (4,000 characters)",
    ]
    folder = report.run / "teachers"
    assert (folder / "1.onnx").read_bytes() == finished.out.read_bytes()
    own = [Stepper.open(folder / f"{n}.onnx").file.metadata.training for n in (2, 3)]
    student = Stepper.open(report.out).file.metadata.training
    assert student["teachers"] == 3
    assert "teachers" not in own[0]
    assert (own[0]["model.dropout_input"], student["model.dropout_input"]) == (0.02, 0)
    assert own[0]["model.hidden"] == student["model.hidden"] == 16
    assert own[0]["held_out_nats_per_char"] != own[1]["held_out_nats_per_char"]


@pytest.mark.parametrize("step", [5, 61, 130])
def test_interrupted_ensemble_ends_the_same(
    learn: Learn, story: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """The first teacher, the second teacher and the student take 56 steps each."""
    whole = learn(story, tmp_path / "whole", ensemble=2)
    plain, steps = CharLMObjective.loss, iter(range(1000))

    def die(own: CharLMObjective, number: int) -> tuple[torch.Tensor, int]:
        if next(steps) == step:
            os.kill(os.getpid(), signal.SIGTERM)
        return plain(own, number)

    lines: list[str] = []
    with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
        patch.setattr(CharLMObjective, "loss", die)
        assert not learn(story, tmp_path / "run", ensemble=2, log=lines.append).finished
    assert "interrupted; go on with: rnn-train charlm --resume" in lines[-1]
    again = pipeline.resume(tmp_path / "run", log=lambda _: None)
    assert again.finished
    assert again.out.read_bytes() == whole.out.read_bytes()


def test_minutes_include_the_teachers(learn: Learn, story: Path, tmp_path: Path) -> None:
    report = learn(story, tmp_path / "run", ensemble=2, epochs=None, minutes=0.06)
    runs = [report.run, report.run / "teachers" / "1", report.run / "teachers" / "2"]
    states = [checkpoint.load_latest(run / "checkpoints")[0] for run in runs]
    planned = [state["plan"]["minutes"] for state in states]
    assert planned[1:] == pytest.approx([0.02, 0.02])
    assert 0 < planned[0] < 0.02


def test_teachers_hold_out_text_if_the_run_does_not(
    learn: Learn, story: Path, tmp_path: Path
) -> None:
    """Their temperature is fitted, so their student needs none."""
    lines: list[str] = []
    report = learn(story, tmp_path / "run", ensemble=1, val_fraction=0.0, log=lines.append)
    facts = Stepper.open(report.run / "teachers" / "1.onnx").file.metadata.training
    assert facts["held_out_characters"] == 200
    assert facts["temperature"] != 1
    width = len(json.loads((report.run / "config.json").read_text())["vocabulary"])
    assert len(open_soft_targets(report.run / "answers.bin", width)) == 4000
    assert not report.metrics
    assert not any("warning" in line for line in lines)
