"""From a request to a model file, and on from a run folder."""

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import rnn_infer
from rnn_infer.runtime.stepper import Stepper
from rnn_train.errors import RnnTrainError, RunError, TrainingError
from rnn_train.evaluation import plots
from rnn_train.pipeline import ExportOptions, export, resume, train
from rnn_train.tasks.charlm.objective import CharLMObjective
from rnn_train.tasks.classifier.objective import ClassifierObjective
from rnn_train.tasks.request import CharLMRequest, ClassifierRequest
from rnn_train.training import checkpoint
from rnn_train.training.loop import Trainer
from rnn_train.training.run import Run
from rnn_train.training_session import TrainingReport

KINDS: dict[str, type[CharLMRequest | ClassifierRequest]] = {
    "charlm": CharLMRequest,
    "classifier": ClassifierRequest,
}
TINY = {"hidden": 8, "embedding": 4}
OUT = Path("model.onnx")
DEFAULT = {"val_fraction": 0.1, "epochs": 1.0}


def request(kind: str, data: Path, **more: Any) -> CharLMRequest | ClassifierRequest:
    training = {"batch": 16, "window": 32, "validate_every": 0.0}
    return KINDS[kind](data=(str(data),), model=TINY, training=training, **(DEFAULT | more))


def quiet(_: str) -> None:
    pass


def start(
    command: str, data: Path, name: str = "run", log: Callable[[str], None] = quiet
) -> TrainingReport:
    """Trains for one epoch into the folder `name`, and exports to `name`.onnx."""
    return train(
        request(command, data),
        Path(f"{name}.onnx"),
        folder=Path(name),
        device="cpu",
        threads=1,
        log=log,
    )


class Death(BaseException):
    """Stands for a kill: nothing may catch it."""


@pytest.fixture(autouse=True)
def _short_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnn_train.tasks.charlm.objective.SAMPLE_LENGTH", 4)


@pytest.fixture
def stop(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, bool], None]:
    """Makes training end at a step: by Ctrl-C, or by death."""

    def arm(step: int, dead: bool) -> None:
        plain = Trainer.take_step

        def learn(own: Trainer, rate: float) -> None:
            if own.step == step:
                monkeypatch.setattr(Trainer, "take_step", plain)
                if dead:
                    raise Death
                signal.raise_signal(signal.SIGINT)
            plain(own, rate)

        monkeypatch.setattr(Trainer, "take_step", learn)

    return arm


@pytest.fixture
def copy(finished: TrainingReport, tmp_path: Path) -> Path:
    """A finished run's folder, to change."""
    return Path(shutil.copytree(finished.run, tmp_path / "copy"))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state, _ = checkpoint.load_latest(folder / "checkpoints")
    return {f"{part}.{k}": v for part in ("model", "average") for k, v in state[part].items()}


def assert_same(left: TrainingReport, right: TrainingReport) -> None:
    assert left.out.read_bytes() == right.out.read_bytes()
    assert left.metrics == right.metrics
    one, other = weights(left.run), weights(right.run)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


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


def test_same_seed_same_file(story: Path, table: Path) -> None:
    assert_same(start("charlm", story, "a"), start("charlm", story, "b"))
    assert_same(start("classifier", table, "c"), start("classifier", table, "d"))


def test_what_is_said(story: Path) -> None:
    said: list[str] = []
    start("charlm", story, log=said.append)
    text = "\n".join(said)
    assert "parameters" in text
    assert "training for 1 epochs (" in text
    assert "held out nats per char:" in text
    assert "temperature fitted to them:" in text
    assert "wrote run.onnx" in text


def test_minutes(story: Path) -> None:
    asked = request("charlm", story, epochs=None, minutes=0.02)
    report = train(asked, OUT, folder=Path("run"), device="cpu", log=quiet)
    assert report.finished
    state, _ = checkpoint.load_latest(report.run / "checkpoints")
    assert 0 < state["plan"]["minutes"] <= 0.02, "reading and judging come out of the budget"
    assert state["plan"]["steps"] is None


def test_output_is_tried_before_the_work(story: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="cannot write file/x"):
        train(request("charlm", story), Path("file/x.onnx"), folder=Path("run"), log=quiet)
    assert not Path("run").exists()


def test_picture_that_fails_does_not_cost_the_model(
    story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RunError("no picture")

    monkeypatch.setattr(plots, "loss_curve", fail)
    with pytest.raises(RunError, match="no picture"):
        start("charlm", story)
    assert rnn_infer.load("run.onnx")


def test_folder_is_free_again_after_an_error(story: Path, stop: Any) -> None:
    stop(3, True)
    with pytest.raises(Death):
        start("charlm", story)
    Run.open(Path("run")).close()


# --- going on -------------------------------------------------------------------------


@pytest.mark.parametrize("dead", [False, True])
@pytest.mark.parametrize("step", [0, 1, 5])
def test_charlm_ends_the_same(story: Path, stop: Any, step: int, dead: bool) -> None:
    whole = start("charlm", story, "whole")
    said = interrupt("charlm", story, stop, step, dead)
    assert dead or "--resume run --out run.onnx" in said[-1]
    torch.manual_seed(99)
    assert_same(resume(Path("run"), log=quiet), whole)


@pytest.mark.parametrize("bfloat16", [True, False])
def test_charlm_ends_the_same_in_any_precision(
    story: Path, stop: Any, monkeypatch: pytest.MonkeyPatch, bfloat16: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": bfloat16})
    whole = start("charlm", story, "whole")
    interrupt("charlm", story, stop, 3, dead=True)
    assert_same(resume(Path("run"), log=quiet), whole)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": not bfloat16})
    other = start("charlm", story, "other")
    assert other.metrics != whole.metrics, "it is used"


def test_classifier_ends_the_same(table: Path, stop: Any) -> None:
    whole = start("classifier", table, "whole")
    interrupt("classifier", table, stop, 3, dead=True)
    torch.manual_seed(99)
    assert_same(resume(Path("run"), log=quiet), whole)


def interrupt(command: str, data: Path, stop: Any, step: int, dead: bool) -> list[str]:
    said: list[str] = []
    stop(step, dead)
    if dead:
        with pytest.raises(Death):
            start(command, data, log=said.append)
        assert not Path("run.onnx").exists()
    else:
        report = start(command, data, log=said.append)
        assert not report.finished
        assert rnn_infer.load(report.out), "what there is, is exported"
    return said


def test_resumed_run_says_what_is_left(story: Path, stop: Any) -> None:
    interrupt("charlm", story, stop, 5, dead=True)
    said: list[str] = []
    resume(Path("run"), log=said.append)
    assert any("going on from step 5, 2 steps left" in line for line in said)


def test_resumed_minutes(story: Path, stop: Any) -> None:
    asked = request("charlm", story, epochs=None, minutes=0.1)
    stop(3, False)
    report = train(asked, OUT, folder=Path("run"), device="cpu", log=quiet)
    assert not report.finished
    before, _ = checkpoint.load_latest(Path("run/checkpoints"))
    said: list[str] = []
    assert resume(Path("run"), log=said.append).finished
    after, _ = checkpoint.load_latest(Path("run/checkpoints"))
    assert after["plan"] == before["plan"]
    assert after["elapsed"] <= 60 * after["plan"]["minutes"] + 1
    assert any("minutes left" in line for line in said)


def test_killed_before_the_first_checkpoint_begins_again(
    story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = start("charlm", story, "whole")

    def die(*_: object) -> None:
        raise Death

    with monkeypatch.context() as patch, pytest.raises(Death):
        patch.setattr(CharLMObjective, "__init__", die)
        start("charlm", story)
    assert list(Path("run/checkpoints").iterdir()) == []
    torch.manual_seed(99)
    assert_same(resume(Path("run"), log=quiet), whole)


def test_killed_before_the_config_can_be_started_again(
    story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise Death

    with monkeypatch.context() as patch, pytest.raises(Death):
        patch.setattr(Run, "write_config", die)
        start("charlm", story)
    with pytest.raises(RunError, match="no run folder"):
        resume(Path("run"))
    assert start("charlm", story).finished


def test_options_of_the_first_sitting_are_kept(
    story: Path, stop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt("charlm", story, stop, 3, dead=True)
    asked: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    assert resume(Path("run"), log=quiet).out == Path("run.onnx")
    assert resume(Path("run"), Path("other.onnx"), threads=2, log=quiet).out == Path("other.onnx")
    assert asked == [1, 2]
    assert Path("run.onnx").read_bytes() == Path("other.onnx").read_bytes()


def test_another_command(copy: Path) -> None:
    with pytest.raises(RunError, match=r"no classifier run; .*rnn-train charlm --resume"):
        resume(copy, kind="classifier")


def test_leftovers_of_a_kill_are_swept(copy: Path) -> None:
    part = copy / "checkpoints" / ".step-000000009.ckpt.x.part"
    part.write_bytes(b"half")
    resume(copy, OUT, log=quiet)
    assert not part.exists()


def test_folder_in_use(finished: TrainingReport) -> None:
    run = Run.open(finished.run)
    for work in (resume, export):
        with pytest.raises(RunError, match="in use by another process"):
            work(finished.run, OUT)
    run.close()


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
    if what == "a new key":
        config = json.loads((copy / "config.json").read_text("utf-8"))
        (copy / "config.json").write_text(json.dumps(config | {"more": 1}), "utf-8")
    else:
        change(copy)
    for work in (resume, export):
        with pytest.raises(RunError, match=f"changed since the last checkpoint: {named};") as bad:
            work(copy, OUT)
        assert "\n" not in str(bad.value)
    assert not OUT.exists()


@pytest.mark.parametrize("command", ["charlm", "classifier"])
def test_changed_source_is_refused(story: Path, table: Path, stop: Any, command: str) -> None:
    source = {"charlm": story, "classifier": table}[command]
    interrupt(command, source, stop, 1, dead=True)
    before = source.read_bytes()
    source.write_bytes(before + before)
    with pytest.raises(RunError, match=rf"{source.name} has changed since run began"):
        resume(Path("run"), log=quiet)
    source.write_bytes(before)
    assert resume(Path("run"), log=quiet).finished


def test_source_that_is_gone_is_not_needed(story: Path, stop: Any) -> None:
    whole = start("charlm", story, "whole")
    interrupt("charlm", story, stop, 5, dead=True)
    story.unlink()
    assert_same(resume(Path("run"), log=quiet), whole)


def test_changed_rows_are_refused(finished_classifier: TrainingReport, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(finished_classifier.run, tmp_path / "copy"))
    rows = (folder / "rows.jsonl").read_text("utf-8").splitlines(keepends=True)
    (folder / "rows.jsonl").write_text("".join(rows[:-1]), "utf-8")
    with pytest.raises(RunError, match=r"rows\.jsonl"):
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


@pytest.mark.parametrize("how", ["cut", "flipped"])
def test_damaged_checkpoint_falls_back_and_says_so(story: Path, how: str) -> None:
    whole = start("charlm", story)
    newest = max(Path("run/checkpoints").glob("*.ckpt"))
    if how == "cut":
        newest.write_bytes(newest.read_bytes()[:-1])
    else:
        flip(newest)
    said: list[str] = []
    again = resume(Path("run"), Path("again.onnx"), log=said.append)
    assert any(newest.name in line and "the one before it is used" in line for line in said)
    assert again.out.read_bytes() == whole.out.read_bytes()


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


def test_loss_that_is_no_number_keeps_the_last_checkpoint(
    table: Path, monkeypatch: pytest.MonkeyPatch
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


def test_export_in_8_bit(finished: TrainingReport, tmp_path: Path) -> None:
    out = tmp_path / "rounded.onnx"
    shown = export(finished.run, out, ExportOptions(weights="int8"), log=lambda _: None)
    document = rnn_infer.CharLM.load(out).metadata
    assert document.training["weights"] == "int8"
    assert abs(document.proof["int8_loss"]) < 0.01
    assert shown["int8_loss"] == document.proof["int8_loss"]


def test_export_of_a_classifier_in_8_bit(
    finished_classifier: TrainingReport, tmp_path: Path
) -> None:
    out = tmp_path / "rounded.onnx"
    export(finished_classifier.run, out, ExportOptions(weights="int8"), log=lambda _: None)
    assert abs(rnn_infer.Classifier.load(out).metadata.proof["int8_loss"]) < 0.01
