"""From a request to a model file, and from a run folder to another variant of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import rnn_infer
from rnn_infer.runtime.stepper import Stepper
from rnn_train.errors import ExportError, RunError, TrainingError
from rnn_train.pipeline import ExportOptions, export, resume, set_threads, train
from rnn_train.tasks.classifier.objective import ClassifierObjective
from rnn_train.tasks.request import CharLMRequest
from rnn_train.training import checkpoint
from rnn_train.training.run import Run
from rnn_train.training_session import TrainingReport

OUT = Path("model.onnx")
Start = Callable[..., TrainingReport]
Interrupt = Callable[..., list[str]]


# --- training -------------------------------------------------------------------------


def test_charlm(finished: TrainingReport) -> None:
    assert finished.finished
    assert finished.metrics["held_out_nats_per_char"] > 0
    files = {path.name for path in finished.run.iterdir()}
    assert files >= {"config.json", "metrics.jsonl", "corpus.bin", "loss.png", "checkpoints"}
    lm = rnn_infer.CharLM.load(finished.out)
    assert len(lm.generate("the ", length=20, seed=1)) == 20


def test_classifier(finished_classifier: TrainingReport) -> None:
    assert finished_classifier.finished
    assert set(finished_classifier.metrics) >= {"accuracy", "macro_f1"}
    assert (finished_classifier.run / "confusion.png").exists()
    model = rnn_infer.Classifier.load(finished_classifier.out)
    assert model.labels == ("east", "north")


def test_same_seed_same_file(start: Start, story: Path, table: Path) -> None:
    for kind, data in (("charlm", story), ("classifier", table)):
        one, same = (start(kind, data, name) for name in (f"{kind}-a", f"{kind}-b"))
        assert one.out.read_bytes() == same.out.read_bytes()
        assert one.metrics == same.metrics


def test_another_seed_another_file(start: Start, story: Path) -> None:
    one, other = start("charlm", story, "a"), start("charlm", story, "b", seed=1)
    assert one.metrics != other.metrics


def test_output_is_checked_before_training(story: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="cannot write file/x"):
        train(CharLMRequest(data=(str(story),)), Path("file/x.onnx"), folder=Path("run"))
    assert not Path("run").exists()


def test_folder_is_free_again_after_an_error(interrupt: Interrupt, story: Path) -> None:
    interrupt("charlm", story, 3, killed=True)
    Run.open(Path("run")).close()


def test_diverged_run_keeps_its_last_checkpoint(
    start: Start, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = ClassifierObjective.loss

    def loss(own: Any, step: int) -> tuple[torch.Tensor, int]:
        value, size = plain(own, step)
        return (value * float("nan") if step == 3 else value), size

    monkeypatch.setattr(ClassifierObjective, "loss", loss)
    with pytest.raises(TrainingError, match=r"step 3 .*lower --learning-rate"):
        start("classifier", table)
    state, _ = checkpoint.load_latest(Path("run/checkpoints"))
    assert state["step"] == 3
    assert all(value.isfinite().all() for value in state["model"].values())
    export(Path("run"), OUT)
    assert rnn_infer.load(OUT)


def test_folder_in_use(finished: TrainingReport) -> None:
    run = Run.open(finished.run)
    for work in (resume, export):
        with pytest.raises(RunError, match="in use by another process"):
            work(finished.run, OUT)
    run.close()


@pytest.mark.parametrize(("threads", "expected"), [(None, []), (2, [2])])
def test_threads(monkeypatch: pytest.MonkeyPatch, threads: int | None, expected: list[int]) -> None:
    found: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", found.append)
    set_threads(threads)
    assert found == expected


# --- exporting ------------------------------------------------------------------------


def test_export_gives_the_same_file(
    finished: TrainingReport, finished_classifier: TrainingReport
) -> None:
    for report in (finished, finished_classifier):
        shown = export(report.run, OUT)
        assert shown["torch"] < 1e-4
        assert OUT.read_bytes() == report.out.read_bytes()


def test_export_at_another_temperature(
    finished: TrainingReport, finished_classifier: TrainingReport
) -> None:
    for report in (finished, finished_classifier):
        was = Stepper.open(report.out)
        fitted = was.file.metadata.training["temperature"]
        assert isinstance(fitted, float)
        export(report.run, OUT, ExportOptions(temperature=2.5))
        file = Stepper.open(OUT)
        assert file.file.metadata.training["temperature"] == 2.5
        token, before = np.array([[1]]), was.zeros(1)
        expected = was.forward(token, before)[0] * fitted / 2.5
        np.testing.assert_allclose(file.forward(token, before)[0], expected, atol=1e-3)


def test_export_step_only(finished: TrainingReport) -> None:
    export(finished.run, OUT, ExportOptions(step_only=True, steps=1))
    lm = rnn_infer.CharLM.load(OUT)
    expected = rnn_infer.CharLM.load(finished.out).generate("the", length=50, seed=3)
    assert lm.generate("the", length=50, seed=3) == expected


def test_export_in_8_bit(finished: TrainingReport, tmp_path: Path) -> None:
    out = tmp_path / "rounded.onnx"
    said: list[str] = []
    proof = export(finished.run, out, ExportOptions(weights="int8"), log=said.append)
    metadata = rnn_infer.CharLM.load(out).metadata
    # Its matrices are too small, so that nothing is rounded, and the user is told.
    assert metadata.training["weights"] == "float32"
    assert any("int8 rounds nothing" in line for line in said)
    assert abs(proof.get("int8_loss", 0)) < 0.01


def test_export_of_a_classifier_in_8_bit(
    finished_classifier: TrainingReport, tmp_path: Path
) -> None:
    out = tmp_path / "rounded.onnx"
    export(finished_classifier.run, out, ExportOptions(weights="int8"), log=lambda _: None)
    assert abs(rnn_infer.Classifier.load(out).metadata.proof["int8_loss"]) < 0.01


@pytest.mark.parametrize("kind", ["charlm", "classifier"])
def test_fastest_variant_is_of_files_that_generate(
    finished: TrainingReport, finished_classifier: TrainingReport, kind: str
) -> None:
    report = {"charlm": finished, "classifier": finished_classifier}[kind]
    options = ExportOptions(fastest_for=4, step_only=kind == "charlm")
    with pytest.raises(ExportError, match="--fastest-for needs a file that generates"):
        export(report.run, OUT, options)
    assert not OUT.exists()


def test_fastest_variant_is_written(
    finished: TrainingReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams: list[int] = []

    def fastest(write: Any, count: int, log: Any) -> int:
        assert callable(write)
        assert callable(log)
        streams.append(count)
        return 2

    monkeypatch.setattr("rnn_train.pipeline.fastest_steps", fastest)
    export(finished.run, OUT, ExportOptions(fastest_for=8))
    assert streams == [8]
    assert Stepper.open(OUT).file.steps == 2


def test_each_process_of_torchrun_would_train_the_same(
    story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "RANK": "1",
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": "29500",
    }.items():
        monkeypatch.setenv(name, value)
    message = "each would train the same model and write the same file; train with: torchrun "
    with pytest.raises(RunError, match=message):
        train(CharLMRequest(data=(str(story),)), Path("x.onnx"), folder=Path("run"))
    with pytest.raises(RunError, match=message):
        resume(Path("run"))
    assert not Path("run").exists()
