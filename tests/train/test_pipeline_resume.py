"""A run that is interrupted or killed goes on from its folder, and ends the same."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from rnn_train.errors import RunError
from rnn_train.pipeline import resume
from rnn_train.tasks.charlm.objective import CharLMObjective
from rnn_train.training import checkpoint
from rnn_train.training.run import Run
from rnn_train.training_session import TrainingReport

OUT = Path("model.onnx")
Start = Callable[..., TrainingReport]
Interrupt = Callable[..., list[str]]


class Killed(BaseException):
    """Simulates a kill: no code may catch it."""


def quiet(_: str) -> None:
    pass


@pytest.fixture
def copy(finished: TrainingReport, tmp_path: Path) -> Path:
    """A finished run's folder, to change."""
    return Path(shutil.copytree(finished.run, tmp_path / "copy"))


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state, _ = checkpoint.load_latest(folder / "checkpoints")
    return {f"{part}.{k}": v for part in ("model", "average") for k, v in state[part].items()}


def assert_same(left: TrainingReport, right: TrainingReport) -> None:
    assert left.out.read_bytes() == right.out.read_bytes()
    assert left.metrics == right.metrics
    one, other = weights(left.run), weights(right.run)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    ("step", "killed"), [(0, True), (1, False), (1, True), (5, False), (5, True)]
)
def test_charlm_ends_the_same(
    start: Start, interrupt: Interrupt, story: Path, step: int, killed: bool
) -> None:
    whole = start("charlm", story, "whole")
    lines = interrupt("charlm", story, step, killed)
    assert killed or "--resume run --out run.onnx" in lines[-1]
    torch.manual_seed(99)
    assert_same(resume(Path("run"), log=quiet), whole)


def has_bfloat16_lstm() -> bool:
    """Whether this processor can train an `nn.LSTM` in bfloat16: not without AVX-512."""
    layer = torch.nn.LSTM(4, 4)
    try:
        with torch.autocast("cpu", torch.bfloat16):
            layer(torch.zeros(1, 1, 4))
    except RuntimeError:
        return False
    return True


needs_bfloat16 = pytest.mark.skipif(
    not has_bfloat16_lstm(), reason="no LSTM in bfloat16 on this processor"
)


@pytest.mark.parametrize("bfloat16", [pytest.param(True, marks=needs_bfloat16), False])
def test_charlm_ends_the_same_in_any_precision(
    start: Start, interrupt: Interrupt, story: Path, monkeypatch: pytest.MonkeyPatch, bfloat16: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": bfloat16})
    whole = start("charlm", story, "whole")
    interrupt("charlm", story, 3, killed=True)
    assert_same(resume(Path("run"), log=quiet), whole)
    if not has_bfloat16_lstm():
        return
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": not bfloat16})
    other = start("charlm", story, "other")
    assert other.out.read_bytes() != whole.out.read_bytes(), "the precision makes a difference"


def test_classifier_ends_the_same(start: Start, interrupt: Interrupt, table: Path) -> None:
    whole = start("classifier", table, "whole")
    interrupt("classifier", table, 3, killed=True)
    torch.manual_seed(99)
    assert_same(resume(Path("run"), log=quiet), whole)


def test_remaining_steps_are_logged(interrupt: Interrupt, story: Path) -> None:
    interrupt("charlm", story, 5, killed=True)
    lines: list[str] = []
    resume(Path("run"), log=lines.append)
    assert any("going on from step 5, 2 steps left" in line for line in lines)


def test_resumed_minutes(interrupt: Interrupt, story: Path) -> None:
    interrupt("charlm", story, 3, killed=False, epochs=None, minutes=0.05)
    before, _ = checkpoint.load_latest(Path("run/checkpoints"))
    lines: list[str] = []
    assert resume(Path("run"), log=lines.append).finished
    after, _ = checkpoint.load_latest(Path("run/checkpoints"))
    assert after["plan"] == before["plan"]
    assert after["elapsed"] > before["elapsed"]
    assert after["elapsed"] <= 60 * after["plan"]["minutes"] + 1
    assert any("minutes left" in line for line in lines)


def test_killed_before_the_first_checkpoint(
    start: Start, story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = start("charlm", story, "whole")

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(CharLMObjective, "__init__", die)
        start("charlm", story)
    assert list(Path("run/checkpoints").iterdir()) == []
    torch.manual_seed(99)
    assert_same(resume(Path("run"), log=quiet), whole)


def test_killed_before_the_config_is_written(
    start: Start, story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Run, "write_config", die)
        start("charlm", story)
    with pytest.raises(RunError, match="no run folder"):
        resume(Path("run"))
    assert start("charlm", story).finished


def test_options_of_the_first_sitting_are_kept(
    interrupt: Interrupt, story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt("charlm", story, 3, killed=True)
    asked: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    assert resume(Path("run"), log=quiet).out == Path("run.onnx")
    assert resume(Path("run"), Path("other.onnx"), threads=2, log=quiet).out == Path("other.onnx")
    assert asked == [1, 2]
    assert Path("run.onnx").read_bytes() == Path("other.onnx").read_bytes()


def test_another_command(copy: Path) -> None:
    with pytest.raises(RunError, match=r"no classifier run; .*rnn-train charlm --resume"):
        resume(copy, kind="classifier")


def test_incomplete_files_of_a_kill_are_removed(copy: Path) -> None:
    part = copy / "checkpoints" / ".step-000000009.ckpt.x.part"
    part.write_bytes(b"half")
    resume(copy, OUT, log=quiet)
    assert not part.exists()


def test_source_that_is_gone_is_not_needed(start: Start, interrupt: Interrupt, story: Path) -> None:
    whole = start("charlm", story, "whole")
    interrupt("charlm", story, 5, killed=True)
    story.unlink()
    assert_same(resume(Path("run"), log=quiet), whole)


@pytest.mark.parametrize("how", ["cut", "flipped"])
def test_damaged_checkpoint_is_a_warning(start: Start, story: Path, how: str) -> None:
    whole = start("charlm", story)
    newest = max(Path("run/checkpoints").glob("*.ckpt"))
    if how == "cut":
        newest.write_bytes(newest.read_bytes()[:-1])
    else:
        flip(newest)
    lines: list[str] = []
    again = resume(Path("run"), Path("again.onnx"), log=lines.append)
    assert any(newest.name in line and "the one before it is used" in line for line in lines)
    assert again.out.read_bytes() == whole.out.read_bytes()
