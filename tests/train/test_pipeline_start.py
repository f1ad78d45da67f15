"""How a run starts and is interrupted: what stays of it, and what it leaves of other runs."""

import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rnn_train import pipeline, training_session
from rnn_train.errors import DataError, ExportError, RunError
from rnn_train.tasks.request import CharLMRequest, ClassifierRequest
from rnn_train.training.loop import Trainer
from rnn_train.training_session import TrainingReport, default_out

SMALL: dict[str, Any] = {"epochs": 1.0, "model": {"hidden": 8, "embedding": 4}}


def train(
    data: Path, out: Path, log: Callable[[str], None] = lambda _: None, **fields: Any
) -> TrainingReport:
    options = {"training": {"batch": 16, "window": 32}} | SMALL | fields
    request = CharLMRequest(data=(str(data),), **options)
    return pipeline.train(request, out, device="cpu", threads=1, log=log)


def test_failed_start_leaves_no_run_folder(story: Path) -> None:
    story.write_text("short")
    with pytest.raises(DataError):
        train(story, Path("a.onnx"))
    assert not Path("runs").exists()


def test_table_that_does_not_fit_the_disk(table: Path) -> None:
    """One line that says what to do; nothing is left, and the table is as it was."""
    before, limits = table.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(RunError) as raised:
            request = ClassifierRequest(data=(str(table),))
            pipeline.train(request, Path("a.onnx"), device="cpu", log=lambda _: None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(raised.value).startswith("cannot write the rows into runs/classifier-1: File too")
    assert str(raised.value).endswith("give a --run folder on a disk with more room")
    assert table.read_bytes() == before
    assert not Path("runs").exists()
    assert not Path("a.onnx").exists()


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_while_reading(
    story: Path, monkeypatch: pytest.MonkeyPatch, stop: signal.Signals
) -> None:
    monkeypatch.setattr(
        "rnn_train.tasks.charlm.task.write_data", lambda *_: signal.raise_signal(stop)
    )
    # A shell makes its jobs in the background ignore SIGINT.
    earlier = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            train(story, Path("a.onnx"))
    finally:
        signal.signal(signal.SIGINT, earlier)
    assert not Path("runs").exists()
    assert not Path("a.onnx").exists()


@pytest.mark.parametrize(("step", "kept"), [(0, False), (1, True)])
def test_nothing_is_exported_before_the_first_step_is_done(
    story: Path, monkeypatch: pytest.MonkeyPatch, step: int, kept: bool
) -> None:
    plain = Trainer.take_step

    def take_step(own: Trainer, rate: float) -> None:
        if own.step == step:
            signal.raise_signal(signal.SIGTERM)
        plain(own, rate)

    monkeypatch.setattr(Trainer, "take_step", take_step)
    if kept:
        assert not train(story, Path("a.onnx")).finished
    else:
        with pytest.raises(KeyboardInterrupt):
            train(story, Path("a.onnx"))
    assert Path("a.onnx").exists() is Path("runs/charlm-1").exists() is kept


def test_interrupted_while_exporting(story: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(
            training_session, "export", lambda *_, **__: signal.raise_signal(signal.SIGTERM)
        )
        train(story, Path("a.onnx"), lines.append)
    again = "rnn-train charlm --resume runs/charlm-1 --out a.onnx"
    assert lines[-1] == f"interrupted before a.onnx was written; go on with: {again}"
    assert pipeline.resume(Path("runs/charlm-1"), log=lambda _: None).out.exists()


# --- sizes that cannot be meant -------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"training": {"batch": 65536, "window": 65536}},
            r"a training step needs at least .* for a batch of 65,536 × 65,536 characters\), and",
        ),
        ({"model": {"hidden": 8192, "layers": 16}}, r"for 8,\d+,\d+,\d+ weights, .*--hidden"),
    ],
)
def test_huge_options_are_refused(story: Path, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(RunError, match=message):
        train(story, Path("a.onnx"), **fields)
    assert not Path("runs").exists()


def test_batch_that_repeats_the_text_is_a_warning(story: Path) -> None:
    lines: list[str] = []
    train(story, Path("a.onnx"), lines.append, training={"batch": 64, "window": 200})
    assert lines[0].startswith("warning: a batch has 64 × 200 characters, the text 4,000: each")


# --- the default place ----------------------------------------------------------------


def test_model_of_another_run_is_kept(story: Path) -> None:
    out = default_out("charlm")
    lines: list[str] = []
    first = train(story, out, lines.append).out.read_bytes()
    assert not [line for line in lines if "kept" in line]
    train(story, out, lines.append, seed=1)
    assert Path("exported/charlm.previous.onnx").read_bytes() == first
    assert [line for line in lines if "kept" in line] == [
        "exported/charlm.onnx was not of this run; it is kept as exported/charlm.previous.onnx"
    ]
    train(story, out, seed=2)
    assert Path("exported/charlm.previous-2.onnx").exists()


def test_own_model_is_replaced(story: Path) -> None:
    report = train(story, default_out("charlm"))
    pipeline.resume(report.run, log=lambda _: None)
    assert [each.name for each in Path("exported").iterdir()] == ["charlm.onnx"]


def test_place_that_the_user_names_is_replaced(story: Path) -> None:
    for seed in (0, 1):
        train(story, Path("mine.onnx"), seed=seed)
    assert not list(Path().glob("*.previous*"))


def test_failed_export_keeps_the_file(story: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = default_out("charlm")
    out.parent.mkdir()
    out.write_bytes(b"of another run")

    def fail(*_: Any, **__: Any) -> None:
        raise ExportError("the proof failed")

    monkeypatch.setattr(training_session, "export", fail)
    with pytest.raises(ExportError):
        train(story, out)
    assert [each.name for each in out.parent.iterdir()] == ["charlm.onnx"]
    assert out.read_bytes() == b"of another run"


def test_classifier_keeps_it_too(table: Path) -> None:
    out = default_out("classifier")
    out.parent.mkdir()
    out.write_bytes(b"of another run")
    request = ClassifierRequest(data=(str(table),), **SMALL)
    pipeline.train(request, out, device="cpu", threads=1, log=lambda _: None)
    assert Path("exported/classifier.previous.onnx").read_bytes() == b"of another run"
