"""The task of a run folder is opened, or refused if the folder has changed or is damaged."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch

from rnn_train.errors import CellError, DataError, RnnTrainError, RunError
from rnn_train.pipeline import export, resume
from rnn_train.run_task import (
    check_sources,
    fingerprints,
    finished_task,
    last_state,
    open_plan,
    open_task,
)
from rnn_train.tasks.charlm.task import CharLMTask
from rnn_train.tasks.classifier.task import ClassifierTask
from rnn_train.training import checkpoint
from rnn_train.training.run import Run
from rnn_train.training_session import TrainingReport

OUT = Path("model.onnx")
Interrupt = Callable[..., list[str]]


@pytest.fixture
def copy(finished: TrainingReport, tmp_path: Path) -> Path:
    """A finished run's folder, to change."""
    return Path(shutil.copytree(finished.run, tmp_path / "copy"))


# --- a whole folder -------------------------------------------------------------------


def test_finished_task_has_the_averaged_weights(finished: TrainingReport) -> None:
    state, _ = checkpoint.load_latest(finished.run / "checkpoints")
    average = checkpoint.averaged_weights(state)
    with finished_task(finished.run) as task:
        assert not task.model.training
        for name, value in task.model.state_dict().items():
            assert torch.equal(value, average[name]), name
        with pytest.raises(RunError, match="in use by another process"):
            Run.open(finished.run)
    Run.open(finished.run).close()


def test_kind_of_task(finished: TrainingReport, finished_classifier: TrainingReport) -> None:
    for report, kind in ((finished, CharLMTask), (finished_classifier, ClassifierTask)):
        with finished_task(report.run) as task:
            assert isinstance(task, kind)


def test_task_starts_from_the_weights_of_its_seed(copy: Path) -> None:
    run = Run.open(copy)
    weights = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        weights.append(open_task(run).model.state_dict())
    run.close()
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_plan_is_read_without_the_data(copy: Path) -> None:
    (copy / "corpus.bin").unlink()
    run = Run.open(copy)
    plan = open_plan(run)
    run.close()
    assert (plan.command, plan.epochs, plan.threads) == ("charlm", 1.0, 1)


def test_warnings_of_the_checkpoint_are_logged(copy: Path) -> None:
    newest = max((copy / "checkpoints").glob("*.ckpt"))
    checkpoint.save(copy / "checkpoints", 10**6, checkpoint.read(newest))
    broken = copy / "checkpoints" / "step-001000000.ckpt"
    broken.write_bytes(broken.read_bytes()[:-1])
    run = Run.open(copy)
    lines: list[str] = []
    state = last_state(run, lines.append)
    run.close()
    assert len(lines) == 1
    assert lines[0].startswith("warning: ")
    assert broken.name in lines[0]
    assert state["step"] < 10**6


# --- sources --------------------------------------------------------------------------


def test_fingerprints(story: Path) -> None:
    before = fingerprints([str(story), "gone.txt"])
    assert before["gone.txt"] is None
    assert fingerprints([str(story)]) == {str(story): before[str(story)]}
    story.write_text(story.read_text() + "x")
    assert fingerprints([str(story)]) != {str(story): before[str(story)]}


def test_source_may_be_gone_but_not_changed(copy: Path, story: Path) -> None:
    config = json.loads((copy / "config.json").read_text("utf-8"))
    config["sources"] = fingerprints([str(story)])
    (copy / "config.json").write_text(json.dumps(config), "utf-8")
    run = Run.open(copy)
    plan = open_plan(run)
    check_sources(run, plan, print)
    content = story.read_text()
    story.write_text(content + "x")
    with pytest.raises(RunError, match=rf"{story.name} has changed since .*copy began"):
        check_sources(run, plan, print)
    story.unlink()
    check_sources(run, plan, print)
    run.close()


def test_source_that_cannot_be_read_gives_a_warning(
    copy: Path, story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = json.loads((copy / "config.json").read_text("utf-8"))
    config["sources"] = fingerprints([str(story)])
    (copy / "config.json").write_text(json.dumps(config), "utf-8")

    def refuse(_: object) -> NoReturn:
        raise DataError(f"{story}: cannot be read: Permission denied; give yourself the permission")

    run = Run.open(copy)
    plan, lines = open_plan(run), list[str]()
    monkeypatch.setattr("rnn_train.run_task.fingerprint", refuse)
    check_sources(run, plan, lines.append)
    run.close()
    (line,) = lines
    assert line.startswith(f"warning: it is not known whether {story} has changed: ")


@pytest.mark.parametrize("command", ["charlm", "classifier"])
def test_changed_source_is_refused(
    interrupt: Interrupt, story: Path, table: Path, command: str
) -> None:
    source = {"charlm": story, "classifier": table}[command]
    interrupt(command, source, 1, killed=True)
    before = source.read_bytes()
    source.write_bytes(before + before)
    with pytest.raises(RunError, match=rf"{source.name} has changed since run began"):
        resume(Path("run"), log=lambda _: None)
    source.write_bytes(before)
    assert resume(Path("run"), log=lambda _: None).finished


# --- a folder that has changed --------------------------------------------------------


def set_in_config(folder: Path, name: str, value: object) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text("utf-8"))
    config[name] = value(config[name]) if callable(value) else value
    path.write_text(json.dumps(config), "utf-8")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)


CHANGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "text": (lambda run: flip(run / "corpus.bin"), "corpus.bin"),
    "held-out text": (lambda run: (run / "held_out.bin").write_bytes(b"\1" * 9), "held_out.bin"),
    "vocabulary": (
        lambda run: set_in_config(run, "vocabulary", lambda chars: "X" + chars[1:]),
        "vocabulary in config.json",
    ),
    "epochs": (lambda run: set_in_config(run, "epochs", 3.0), "epochs in config.json"),
    "model": (
        lambda run: set_in_config(run, "model", lambda model: model | {"hidden": 24}),
        "model in config.json",
    ),
    "a new key": (lambda run: set_in_config(run, "more", 1), "more in config.json"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_changed_folder_is_refused(copy: Path, what: str) -> None:
    change, named = CHANGES[what]
    change(copy)
    for work in (resume, export):
        with pytest.raises(RunError, match=f"changed since the last checkpoint: {named};") as bad:
            work(copy, OUT)
        assert "\n" not in str(bad.value)
    assert not OUT.exists()


def test_changed_rows_are_refused(finished_classifier: TrainingReport, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(finished_classifier.run, tmp_path / "copy"))
    rows = (folder / "rows.bin").read_bytes()
    (folder / "rows.bin").write_bytes(rows[::-1])
    with pytest.raises(RunError, match=r"rows\.bin"):
        resume(folder, OUT)


@pytest.mark.parametrize(
    "damage",
    [
        lambda run: (run / "config.json").write_text("{"),
        lambda run: (run / "config.json").write_text("{}"),
        lambda run: (run / "config.json").write_text('{"command": "dance"}'),
        lambda run: (run / "corpus.bin").unlink(),
        lambda run: [path.write_bytes(b"x") for path in (run / "checkpoints").iterdir()],
    ],
)
def test_damaged_folder_is_refused(copy: Path, damage: Callable[[Path], Any]) -> None:
    damage(copy)
    for work in (resume, export):
        with pytest.raises(RnnTrainError) as bad:
            work(copy, OUT)
        assert str(copy) in str(bad.value)
        assert "\n" not in str(bad.value)


@pytest.mark.parametrize(
    "name", ["out", "device", "threads", "sources", "training", "model", "sha256"]
)
def test_config_of_another_version(copy: Path, name: str) -> None:
    shutil.rmtree(copy / "checkpoints")
    (copy / "checkpoints").mkdir()
    config = json.loads((copy / "config.json").read_text("utf-8"))
    del config[name]
    (copy / "config.json").write_text(json.dumps(config), "utf-8")
    with pytest.raises(RunError, match="damaged or of another version"):
        resume(copy)


def test_checkpoint_of_another_version(copy: Path) -> None:
    shutil.rmtree(copy / "checkpoints")
    checkpoint.save(copy / "checkpoints", 5, {"step": 5})
    with pytest.raises(RunError, match="of another version"):
        resume(copy, OUT)


def test_cell_that_is_gone_is_not_damage(
    finished_classifier: TrainingReport, tmp_path: Path
) -> None:
    """The error of the cell says what to do."""
    folder = Path(shutil.copytree(finished_classifier.run, tmp_path / "copy"))
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config["model"]["cell"] = "no_such_module_here:Cell"
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    run = Run.open(folder)
    with pytest.raises(CellError, match="no_such_module_here cannot be imported"):
        open_task(run)
    run.close()
