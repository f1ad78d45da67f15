"""A character model's teachers: a student learns their soft targets, whatever interrupts it."""

import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rnn_infer.runtime import reading
from rnn_infer.runtime.stepper import Stepper
from rnn_train import pipeline
from rnn_train.data.corpus import build_corpus
from rnn_train.data.sources import TextFile
from rnn_train.errors import RunError
from rnn_train.tasks.charlm import recipe
from rnn_train.tasks.charlm.objective import CharLMObjective
from rnn_train.tasks.charlm.task import CharLMTask
from rnn_train.training.run import Run
from rnn_train.training_session import TrainingReport

Create = Callable[..., CharLMTask]
Learn = Callable[..., TrainingReport]


def probabilities(file: Path, tokens: np.ndarray) -> np.ndarray:
    """Probabilities of what follows each token, [characters, vocabulary]."""
    stepper = Stepper.open(file)
    logits, _ = stepper.forward(tokens[None].astype(np.int64), stepper.zeros(1))
    return torch.softmax(torch.from_numpy(logits[0]), -1).numpy()


def test_student_follows_its_teacher(
    learn: Learn,
    second_teacher: Path,
    story: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is nearer to its teacher than a model that learns from the text alone."""
    monkeypatch.setattr(recipe, "TEACHER_WEIGHT", 1.0)
    report = learn(story, tmp_path / "student", second_teacher, epochs=8.0)
    tokens = build_corpus([TextFile(story)], tmp_path / "corpus.bin").tokens[:2000]
    student, teacher = probabilities(report.out, tokens), probabilities(second_teacher, tokens)
    alone = learn(story, tmp_path / "alone", epochs=8.0)
    distances = [
        np.abs(each - teacher).mean() for each in (student, probabilities(alone.out, tokens))
    ]
    assert distances[0] < distances[1] / 2


def test_killed_student_ends_the_same(
    learn: Learn,
    finished: TrainingReport,
    second_teacher: Path,
    story: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = learn(story, tmp_path / "whole", finished.out, second_teacher)
    plain = CharLMObjective.loss

    def die(own: CharLMObjective, step: int) -> tuple[torch.Tensor, int]:
        if step == 20:
            raise KeyboardInterrupt
        return plain(own, step)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(CharLMObjective, "loss", die)
        learn(story, tmp_path / "run", finished.out, second_teacher)
    again = pipeline.resume(tmp_path / "run", log=lambda _: None)
    assert again.out.read_bytes() == whole.out.read_bytes()


def test_interrupted_while_teachers_read(
    learn: Learn,
    finished: TrainingReport,
    story: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = learn(story, tmp_path / "whole", finished.out)
    plain = Stepper.forward

    def die(own: Stepper, tokens: Any, state: Any) -> Any:
        if len(tokens) > 1 and tokens.shape[1] < reading.MAX_CHUNK:  # the last chunk
            raise KeyboardInterrupt
        return plain(own, tokens, state)

    lines: list[str] = []
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(reading, "MAX_CHUNK", 128)
        patch.setattr(Stepper, "forward", die)
        learn(story, tmp_path / "run", finished.out, log=lines.append)
    command = f"rnn-train charlm --resume {tmp_path / 'run'} --out "
    assert lines[-1].startswith(f"interrupted; go on with: {command}")
    assert not (tmp_path / "run" / "answers.bin").exists()
    again = pipeline.resume(tmp_path / "run", log=lambda _: None)
    assert again.out.read_bytes() == whole.out.read_bytes()


def test_changed_soft_targets_are_refused(
    learn: Learn, finished: TrainingReport, story: Path, tmp_path: Path
) -> None:
    report = learn(story, tmp_path / "run", finished.out)
    path = report.run / "answers.bin"
    path.write_bytes(path.read_bytes()[::-1])
    with pytest.raises(RunError, match=r"changed since the last checkpoint: answers\.bin"):
        pipeline.resume(report.run, log=lambda _: None)


def test_soft_targets_of_a_killed_attempt_are_not_used(
    learn: Learn, finished: TrainingReport, story: Path, tmp_path: Path
) -> None:
    whole = learn(story, tmp_path / "whole", finished.out)
    (tmp_path / "run" / "teachers").mkdir(parents=True)
    (tmp_path / "run" / "teachers" / "2.onnx").write_bytes(b"another teacher")
    path = whole.run / "answers.bin"
    (tmp_path / "run" / "answers.bin").write_bytes(path.read_bytes()[::-1])
    learn(story, tmp_path / "run", finished.out)
    assert (tmp_path / "run" / "answers.bin").read_bytes() == path.read_bytes()
    assert not (tmp_path / "run" / "teachers" / "2.onnx").exists()


def test_no_room_for_soft_targets(
    run: Run,
    create: Create,
    finished: TrainingReport,
    story: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    task = create(story, teachers=(finished.out,))
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 1000))
    with pytest.raises(RunError, match=r"take 0\.0 GB, and 0\.0 GB are free; give a --run folder"):
        task.prepare(torch.device("cpu"), lambda _: None)
    assert not (run.folder / "answers.bin").exists()
