"""The variant that draws fastest, measured with a clock that the tests control."""

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rnn_infer.errors import DeviceError
from rnn_infer.runtime.stepper import Stepper
from rnn_train import pipeline
from rnn_train.errors import ExportError
from rnn_train.exporting import variants
from rnn_train.exporting.model_file import ModelCard, export
from rnn_train.exporting.variants import STEPS, Variant, fastest_steps
from rnn_train.models.charlm import CharLSTM, CharLSTMConfig
from rnn_train.pipeline import ExportOptions
from rnn_train.training_session import TrainingReport

CARD = ModelCard(vocabulary=tuple("\n abc"), unknown=None)
MODEL = CharLSTM(CharLSTMConfig(vocabulary=5, embedding=4, hidden=6, layers=1))


def write(path: Path, steps: int | None) -> None:
    export(MODEL, CARD, path, steps=steps)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[int | None, float]:
    """Seconds that a round takes, by steps a call; the draw itself is real."""
    seconds: dict[int | None, float] = dict.fromkeys(STEPS, 2.0)
    plain, now = Stepper.draw, itertools.count()
    passed = [0.0]

    def draw(self: Stepper, *given: Any) -> Any:
        # The first round of each is slow, as on a GPU that sees it for the first time.
        slow = next(now) < len(STEPS)
        passed[0] += 50 if slow else seconds[self.file.steps]
        return plain(self, *given)

    monkeypatch.setattr(Stepper, "draw", draw)
    monkeypatch.setattr("rnn_train.exporting.variants.time.perf_counter", lambda: passed[0])
    return seconds


@pytest.mark.parametrize("steps", STEPS)
def test_the_fastest_steps_are_chosen(clock: dict[int | None, float], steps: int | None) -> None:
    clock[steps] = 0.5
    lines: list[str] = []
    assert fastest_steps(write, 3, lines.append, "cpu") == steps
    shown = dict(line.rsplit(": ", 1) for line in lines)
    assert len(shown) == len(STEPS)
    name = f"--steps {steps}" if steps else "any number of steps"
    assert shown.pop(name) == "768 characters/s"
    assert set(shown.values()) == {"192 characters/s"}


def test_steps_that_cannot_be_captured_are_left_out(
    clock: dict[int | None, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock[8] = 0.1

    def opened(path: Path, **options: Any) -> Stepper:
        found = Stepper.open(path, **options)
        if found.file.steps == 8:
            raise DeviceError("its step fails as a CUDA graph")
        return found

    monkeypatch.setattr(variants, "Stepper", SimpleNamespace(open=opened))
    lines: list[str] = []
    assert fastest_steps(write, 1, lines.append, "cpu") != 8
    assert "--steps 8: its step fails as a CUDA graph" in lines


def test_export_of_the_fastest(
    finished: TrainingReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def choose(write: Any, streams: int, _log: Any) -> int:
        asked.append(streams)
        write(tmp_path / "tried.onnx", 2)
        return 2

    monkeypatch.setattr(pipeline, "fastest_steps", choose)
    pipeline.export(finished.run, tmp_path / "x.onnx", ExportOptions(fastest_for=7))
    assert asked == [7]
    assert (tmp_path / "x.onnx").read_bytes() == (tmp_path / "tried.onnx").read_bytes()
    found = Stepper.open(tmp_path / "x.onnx")
    assert found.file.steps == 2
    assert np.isfinite(found.forward(np.zeros((1, 3), np.int64), found.zeros(1))[0]).all()


def test_measuring_needs_cuda(finished: TrainingReport, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="device cuda does not work here"):
        pipeline.export(finished.run, tmp_path / "x.onnx", ExportOptions(fastest_for=7))
    assert not (tmp_path / "x.onnx").exists()


@pytest.mark.parametrize("kind", ["step only", "classifier"])
def test_a_file_that_draws_nothing_is_not_measured(
    kind: str, finished: TrainingReport, finished_classifier: TrainingReport, tmp_path: Path
) -> None:
    report = finished_classifier if kind == "classifier" else finished
    with pytest.raises(ExportError, match="give --steps"):
        options = ExportOptions(fastest_for=7, step_only=kind == "step only")
        pipeline.export(report.run, tmp_path / "x.onnx", options)


def test_a_variant_is_an_ordinary_file_by_default() -> None:
    assert Variant() == Variant(step_only=False, steps=None, weights="float32")
