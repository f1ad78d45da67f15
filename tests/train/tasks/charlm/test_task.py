"""A character model's task: created from a request, and opened from its run folder alone."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from rnn_train.distillation.teachers import open_soft_targets
from rnn_train.errors import RunError
from rnn_train.tasks.charlm.task import CharLMTask
from rnn_train.training.run import Run
from rnn_train.training_session import TrainingReport

Create = Callable[..., CharLMTask]


def test_config(run: Run, create: Create, story: Path) -> None:
    task = create(story, model={"hidden": 9}, training={"batch": 3, "window": 7}, seed=5)
    config = run.config()
    assert config["command"] == "charlm"
    assert config["data"] == [str(story)]
    assert config["characters"] == 4000
    assert config["vocabulary"] == "".join(sorted(set(story.read_text())))
    assert config["model"]["hidden"] == 9
    assert (config["training"]["batch"], config["training"]["seed"]) == (3, 5)
    assert (config["minutes"], config["epochs"]) == (None, 1.0)
    assert (config["out"], config["init_from"]) == ("x.onnx", None)
    assert task.steps_per_epoch == 3600 // 3 // 7


def test_task_is_opened_from_its_folder(run: Run, create: Create, story: Path) -> None:
    task, again = create(story), CharLMTask(run)
    assert np.array_equal(task.data.train, again.data.train)
    assert np.array_equal(task.data.held_out, again.data.held_out)
    assert task.data.corpus.vocabulary == again.data.corpus.vocabulary
    assert task.model.config == again.model.config
    assert task.plan == again.plan


def test_files_of_a_killed_attempt_are_not_used(run: Run, create: Create, story: Path) -> None:
    (run.folder / "held_out.bin").write_bytes(b"\0" * 50)
    (run.folder / "initial.ckpt").write_bytes(b"weights")
    task = create(story)
    assert len(task.data.train) == 3600


def test_nothing_is_held_out(create: Create, story: Path) -> None:
    task = create(story, val_fraction=0.0, temperature=1.2)
    result = task.measure(task.model)
    assert (result.metrics, result.temperature) == ({}, 1.2)
    assert task.card(result).temperature == 1.2
    assert not task.warnings
    objective = task.objective(torch.device("cpu"))
    assert set(objective.validate(task.model.eval())) == {"sample"}


def test_temperature_that_nothing_gives_is_a_warning(create: Create, story: Path) -> None:
    assert "--temperature" in create(story, val_fraction=0.0).warnings[0]
    assert not create(story).warnings


# --- teachers ------------------------------------------------------------------------


def test_run_keeps_a_copy_of_its_teachers(
    run: Run, create: Create, finished: TrainingReport, story: Path, tmp_path: Path
) -> None:
    file = Path(shutil.copy(finished.out, tmp_path / "teacher.onnx"))
    create(story, teachers=(file,))
    file.unlink()
    task = CharLMTask(run)
    task.prepare(torch.device("cpu"), lambda _: None)
    targets = open_soft_targets(run.folder / "answers.bin", len(task.data.corpus.vocabulary))
    assert len(targets) == 4000, "the held-out text is learnt in the last phase"
    assert run.config()["teachers"] == [str(file)]
    assert task.card(task.measure(task.model.eval())).training["teachers"] == 1


def test_soft_targets_give_the_temperature(
    create: Create, finished: TrainingReport, story: Path
) -> None:
    assert not create(story, teachers=(finished.out,), val_fraction=0.0).warnings


def test_warm_start_of_an_ensemble_is_refused(
    create: Create, finished: TrainingReport, story: Path
) -> None:
    with pytest.raises(RunError, match="takes no --ensemble; give it the models as --teacher"):
        create(story, init_from=finished.run, ensemble=1)
