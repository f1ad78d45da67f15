"""Going on with a finished run: the new part, its budget, interruptions, refusals."""

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import rnn_infer
from rnn_train import api
from rnn_train.errors import RunError
from rnn_train.training import checkpoint
from rnn_train.training.loop import Trainer
from rnn_train.training_session import TrainingReport

Start = Callable[..., TrainingReport]
OUT = Path("more.onnx")


def quiet(_: str) -> None:
    pass


def state_of(folder: Path) -> dict[str, Any]:
    state, warnings = checkpoint.load_latest(folder / "checkpoints")
    assert not warnings
    return state


def config_of(folder: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((folder / "config.json").read_text())
    return config


@pytest.fixture
def copy(finished: TrainingReport, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished.run, tmp_path / "copy"))


@pytest.fixture
def copy_of_classifier(finished_classifier: TrainingReport, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_classifier.run, tmp_path / "copy"))


def stop_at(step: int, error: type[BaseException] | None) -> Callable[[Trainer, float], None]:
    """A `take_step` that ends the session at a step: by Ctrl-C, or by an error."""
    plain = Trainer.take_step

    def take_step(own: Trainer, rate: float) -> None:
        if own.step == step:
            if error:
                raise error
            signal.raise_signal(signal.SIGINT)
        plain(own, rate)

    return take_step


def test_epochs_are_added(start: Start, story: Path) -> None:
    earlier = start("charlm", story, learn_held_out=False)
    copy = earlier.run
    first, lines, rates = state_of(copy), list[str](), list[float]()
    plain = Trainer.take_step

    def take_step(own: Trainer, rate: float) -> None:
        rates.append(rate)
        plain(own, rate)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "take_step", take_step)
        report = api.resume(copy, out=OUT, epochs=2, log=lines.append)
    assert report.finished
    last = state_of(copy)
    assert last["step"] == 3 * first["step"]
    assert last["elapsed"] > first["elapsed"]
    assert rates[0] < 0.1 * max(rates), "the learning rate warms up again"
    assert max(rates) == pytest.approx(config_of(copy)["training"]["learning_rate"], rel=0.05)
    assert rates[-1] < 0.05 * max(rates), "and falls to 0"
    loss = "held_out_nats_per_char"
    assert report.metrics[loss] < earlier.metrics[loss]
    shown = "\n".join(lines)
    assert f"going on from step {first['step']}, where the run had finished" in shown
    assert "warms up again" in shown
    assert f"(before: {earlier.metrics[loss]:.4g})" in shown
    assert "figures of the first part" not in shown


def test_held_out_text_that_was_learnt_gives_no_new_figures(
    copy: Path, finished: TrainingReport
) -> None:
    lines: list[str] = []
    report = api.resume(copy, out=OUT, epochs=0.2, log=lines.append)
    assert report.metrics == finished.metrics
    assert any("figures of the first part" in line for line in lines)


def test_it_is_written_down(copy: Path, finished: TrainingReport) -> None:
    step = state_of(copy)["step"]
    api.resume(copy, out=OUT, epochs=0.5, log=quiet)
    api.resume(copy, out=OUT, epochs=0.25, log=quiet)
    one, two = config_of(copy)["continued"]
    assert (one["step"], one["epochs"], one["minutes"]) == (step, 0.5, None)
    assert one["before"] == finished.metrics
    assert (two["step"], two["epochs"]) == (step + round(0.5 * step), 0.25)
    model = rnn_infer.CharLM.load(OUT)
    assert model.metadata.training["continued"] == 2


def test_earlier_model_file_is_kept(copy: Path) -> None:
    OUT.write_bytes(b"the model so far")
    lines: list[str] = []
    api.resume(copy, out=OUT, epochs=0.1, log=lines.append)
    assert (copy / "before-1.onnx").read_bytes() == b"the model so far"
    assert any("before-1.onnx" in line for line in lines)
    assert not (copy / "before-2.onnx").exists()


def test_minutes_are_added(copy: Path) -> None:
    before = state_of(copy)
    report = api.resume(copy, out=OUT, minutes=0.02, log=quiet)
    after = state_of(copy)
    assert report.finished
    assert after["step"] > before["step"]
    assert after["elapsed"] - before["elapsed"] <= 60 * after["plan"]["minutes"] + 0.5
    assert after["plan"]["minutes"] < 0.02, "the minutes include measuring and exporting"
    again = api.resume(copy, out=OUT, log=quiet)
    assert again.finished
    assert state_of(copy)["step"] == after["step"], "a finished run of minutes takes no more steps"


def test_classifier(copy_of_classifier: Path) -> None:
    step, lines = state_of(copy_of_classifier)["step"], list[str]()
    report = api.resume(copy_of_classifier, out=OUT, epochs=3, log=lines.append)
    assert report.finished
    assert state_of(copy_of_classifier)["step"] == 4 * step
    assert rnn_infer.Classifier.load(OUT).metadata.training["continued"] == 1
    assert any("nats per text" in line and "before" in line for line in lines)


@pytest.mark.parametrize("error", [None, SystemError])
@pytest.mark.parametrize("offset", [0, 1, 5])
def test_interrupted_part_ends_the_same(
    copy: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Any, offset: int
) -> None:
    """Also if it is killed before its first checkpoint."""
    other = Path(shutil.copytree(copy, tmp_path / "other"))
    whole = api.resume(other, out="whole.onnx", epochs=0.5, log=quiet)
    step = state_of(copy)["step"]
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "take_step", stop_at(step + offset, error))
        if error:
            with pytest.raises(error):
                api.resume(copy, out=OUT, epochs=0.5, log=quiet)
        else:
            assert not api.resume(copy, out=OUT, epochs=0.5, log=quiet).finished
    torch.manual_seed(99)
    report = api.resume(copy, out=OUT, log=quiet)
    assert report.finished
    assert report.metrics == whole.metrics
    assert OUT.read_bytes() == Path("whole.onnx").read_bytes()


def test_unfinished_part_keeps_its_budget(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = state_of(copy)["step"]
    for offset in (0, 3):
        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "take_step", stop_at(step + offset, SystemError))
            budget = {} if offset else {"epochs": 0.5}
            with pytest.raises(SystemError):
                api.resume(copy, out=OUT, log=quiet, **budget)  # type: ignore[arg-type]
        with pytest.raises(RunError, match=r"not finished.*rnn-train charlm --resume"):
            api.resume(copy, out=OUT, epochs=1, log=quiet)
    assert len(config_of(copy)["continued"]) == 1


def test_unfinished_run_keeps_its_budget(interrupt: Callable[..., list[str]], story: Path) -> None:
    interrupt("charlm", story, 3, killed=False)
    with pytest.raises(RunError, match="has not finished, and keeps its budget"):
        api.resume("run", epochs=1, log=quiet)
    assert "continued" not in config_of(Path("run")) or not config_of(Path("run"))["continued"]


def test_run_without_any_checkpoint(copy: Path) -> None:
    shutil.rmtree(copy / "checkpoints")
    (copy / "checkpoints").mkdir()
    with pytest.raises(RunError, match="has not finished"):
        api.resume(copy, epochs=1, log=quiet)


def test_data_that_has_moved_is_not_needed(start: Start, story: Path) -> None:
    start("charlm", story)
    story.unlink()
    assert api.resume("run", epochs=0.5, log=quiet).finished


def test_run_of_an_older_version_goes_on(copy: Path) -> None:
    """Its checkpoint and its config lack what later versions write."""
    newest = max((copy / "checkpoints").glob("*.ckpt"))
    state = checkpoint.read(newest)
    del state["step_seconds"]
    for key in ("part", "first_step", "first_second"):
        del state["plan"][key]
    checkpoint.write(newest, state)
    config = config_of(copy)
    config.pop("continued")
    (copy / "config.json").write_text(json.dumps(config))
    api.resume(copy, out=OUT, epochs=0.5, log=quiet)
    assert state_of(copy)["plan"]["part"] == 1


def test_students_of_an_ensemble_go_on_with_their_soft_targets(
    start: Start, story: Path, table: Path
) -> None:
    for kind, data in (("charlm", story), ("classifier", table)):
        start(kind, data, kind, ensemble=1)
        step, lines = state_of(Path(kind))["step"], list[str]()
        assert api.resume(kind, epochs=1, log=lines.append).finished
        assert state_of(Path(kind))["step"] > step
        assert not any("teacher" in line for line in lines), "no teacher is trained again"


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ({"minutes": 1, "epochs": 1}, "exclude each other"),
        ({"minutes": 0}, "minutes must be a finite number above 0"),
        ({"epochs": float("nan")}, "epochs must be a finite number above 0"),
        ({"epochs": "2"}, "epochs must be a finite number above 0, got '2'"),
    ],
)
def test_bad_budget(copy: Path, budget: dict[str, Any], message: str) -> None:
    with pytest.raises(RunError, match=message):
        api.resume(copy, log=quiet, **budget)
