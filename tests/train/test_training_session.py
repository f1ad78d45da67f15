"""One session of training: the schedule within the budget, the log, and what is written."""

import shlex
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from torch import nn

import rnn_infer
from rnn_train import api, training_session
from rnn_train.cli import main
from rnn_train.errors import ExportError, RunError
from rnn_train.evaluation import plots
from rnn_train.training import checkpoint
from rnn_train.training_session import TrainingReport

Start = Callable[..., TrainingReport]


# --- the schedule ---------------------------------------------------------------------


class Clock:
    """A clock that a validation moves on."""

    def __init__(self, validation: float) -> None:
        self.now = 100.0
        self.validation = validation
        self.model = nn.Linear(1, 1)

    def monotonic(self) -> float:
        return self.now

    def validate(self, model: nn.Module) -> dict[str, Any]:
        assert not model.training
        self.now += self.validation
        return {}


def minutes_of(
    monkeypatch: pytest.MonkeyPatch,
    minutes: float,
    *,
    validation: float = 0.0,
    spent: float = 0.0,
    prepared: float = 0.0,
) -> float:
    """Seconds of training that are left of a budget."""
    clock = Clock(validation)
    monkeypatch.setattr(
        "rnn_train.training_session.time", SimpleNamespace(monotonic=clock.monotonic)
    )
    training = SimpleNamespace(learning_rate=0.01, held=False)
    plan = SimpleNamespace(budget=(minutes, None), continued=(), training=training)
    task: Any = SimpleNamespace(
        plan=plan, steps_per_epoch=10, seconds_after=lambda seconds: 6 * seconds
    )
    schedule = training_session._schedule(task, clock, spent, prepared)  # type: ignore[arg-type]
    assert (schedule.steps, schedule.peak_rate) == (None, 0.01)
    assert clock.model.training
    assert schedule.minutes is not None
    return schedule.minutes * 60


def test_minutes_include_reading_preparing_and_exporting(monkeypatch: pytest.MonkeyPatch) -> None:
    export = training_session._EXPORT_SECONDS
    seconds = minutes_of(monkeypatch, 10, validation=2.0, spent=30.0, prepared=50.0)
    assert seconds == pytest.approx(600 - 50 - 30 - 2.0 * 6 - export)


def test_half_of_the_time_that_is_left_is_for_training(monkeypatch: pytest.MonkeyPatch) -> None:
    assert minutes_of(monkeypatch, 1, validation=20.0) == pytest.approx(30)
    assert minutes_of(monkeypatch, 1, spent=50.0) == pytest.approx(30)


def test_long_preparation_leaves_a_tenth(monkeypatch: pytest.MonkeyPatch) -> None:
    assert minutes_of(monkeypatch, 100, prepared=99 * 60) == pytest.approx(
        600 - training_session._EXPORT_SECONDS
    )


def test_epochs_need_no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(1.0)
    monkeypatch.setattr(
        "rnn_train.training_session.time", SimpleNamespace(monotonic=clock.monotonic)
    )
    training = SimpleNamespace(learning_rate=0.01, held=False)
    plan = SimpleNamespace(budget=(None, 2.5), continued=(), training=training)
    task: Any = SimpleNamespace(
        plan=plan, steps_per_epoch=10, seconds_after=lambda seconds: 6 * seconds
    )
    schedule = training_session._schedule(task, clock, 5.0, 5.0)  # type: ignore[arg-type]
    assert (schedule.steps, schedule.minutes) == (25, None)
    assert clock.now == 100


def test_run_of_minutes(start: Start, story: Path) -> None:
    report = start("charlm", story, epochs=None, minutes=0.02)
    assert report.finished
    state, _ = checkpoint.load_latest(report.run / "checkpoints")
    assert 0 < state["plan"]["minutes"] <= 0.02
    assert state["plan"]["steps"] is None


# --- the log --------------------------------------------------------------------------


def test_resuming_a_finished_run_says_how_to_go_on(start: Start, story: Path) -> None:
    lines: list[str] = []
    report = start("charlm", story)
    api.resume(report.run, log=lines.append)
    assert any("has finished; to train on, add --minutes or --epochs" in line for line in lines)


def test_log_of_a_run(start: Start, story: Path) -> None:
    lines: list[str] = []
    start("charlm", story, log=lines.append)
    text = "\n".join(lines)
    assert "parameters" in text
    assert "training for 1 epoch (" in text
    assert "held out nats per char:" in text
    assert "temperature fitted to them:" in text
    assert "wrote run.onnx" in text


def test_warnings_come_first(start: Start, story: Path) -> None:
    lines: list[str] = []
    start("charlm", story, log=lines.append, val_fraction=0.0)
    assert lines[0].startswith("warning: nothing is held out")
    assert not any("temperature fitted" in line for line in lines)


# --- results --------------------------------------------------------------------------


def test_report(start: Start, table: Path) -> None:
    report = start("classifier", table)
    assert (report.run, report.out, report.finished) == (Path("run"), Path("run.onnx"), True)
    metadata = rnn_infer.Classifier.load(report.out).metadata
    assert metadata.training["accuracy"] == round(report.metrics["accuracy"], 4)
    for name in ("loss.png", "confusion.png"):
        assert (report.run / name).read_bytes().startswith(b"\x89PNG")


def test_model_is_exported_before_plots_are_drawn(
    start: Start, story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RunError("no plot")

    monkeypatch.setattr(plots, "loss_curve", fail)
    with pytest.raises(RunError, match="no plot"):
        start("charlm", story)
    assert rnn_infer.load("run.onnx")


@pytest.mark.parametrize("kind", ["charlm", "classifier"])
@pytest.mark.parametrize("error", [ExportError("torch differs"), RunError("no space left")])
def test_run_is_kept_if_its_export_fails(
    start: Start,
    story: Path,
    table: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    error: Exception,
) -> None:
    """The message has the command that goes on, and the command works."""

    def fail(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(training_session, "export", fail)
        with pytest.raises(type(error)) as raised:
            start(kind, story if kind == "charlm" else table, name="my run")
    message, _, command = str(raised.value).partition("; the run is kept; to export it again: ")
    assert message == str(error)
    assert not Path("my run.onnx").exists()
    words = shlex.split(command)
    assert words == ["rnn-train", "export", "my run", "--out", "my run.onnx"]
    result = CliRunner().invoke(main, words[1:])
    assert result.exit_code == 0, result.output
    assert rnn_infer.load("my run.onnx").metadata.kind == kind


def test_measuring_within_training_needs_no_time_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Clock, "last_phase_from", 0.8, raising=False)
    monkeypatch.setattr(Clock, "measures", True, raising=False)
    monkeypatch.setattr(Clock, "restart_rate", 0.0, raising=False)
    monkeypatch.setattr(Clock, "begin_last_phase", lambda *_: [], raising=False)
    seconds = minutes_of(monkeypatch, 10, validation=2.0)
    assert seconds == pytest.approx(600 - 2.0 - training_session._EXPORT_SECONDS)


def test_interruption_after_the_export_is_no_error(
    start: Start, story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model is there, so the exit code is 0; the rest comes with the command."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    lines: list[str] = []
    monkeypatch.setattr(plots, "loss_curve", interrupted)
    assert start("charlm", story, log=lines.append).finished
    assert rnn_infer.load("run.onnx")
    again = "rnn-train charlm --resume run --out run.onnx"
    assert (
        lines[-2] == f"interrupted after run.onnx was written; figures and plots come with: {again}"
    )
    assert lines[-1].startswith("wrote run.onnx")


def test_interruption_before_the_export(
    start: Start, story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    lines: list[str] = []
    monkeypatch.setattr(training_session, "export", interrupted)
    with pytest.raises(KeyboardInterrupt):
        start("charlm", story, log=lines.append)
    assert not Path("run.onnx").exists()
    assert lines[-1].startswith("interrupted before run.onnx was written; go on with: rnn-train")
