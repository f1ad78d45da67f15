"""The training loop: budgets, interruptions, exact resume, and losses that are no numbers."""

import math
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
import torch
from torch import Tensor, nn

from rnn_train.errors import RunError, TrainingError
from rnn_train.training import checkpoint, loop
from rnn_train.training.config import TrainingConfig
from rnn_train.training.device import pick_device, pick_precision
from rnn_train.training.loop import Trainer, TrainingOutcome
from rnn_train.training.run import Run
from rnn_train.training.schedule import Schedule

STEPS = 30
EVERY = TrainingConfig(validate_every=0.0, learning_rate=0.05, muon=2.0)
SELDOM = TrainingConfig(validate_every=3600.0, learning_rate=0.05, muon=2.0)


class Slope:
    """Learns y = 2x from noisy points; what it draws and carries must come back on resuming."""

    unit = "points"
    bfloat16 = False

    @property
    def gates(self) -> Sequence[nn.Parameter]:
        return [self.model.get_parameter("weight")]

    def __init__(self, at: dict[int, Callable[[], object]] | None = None) -> None:
        torch.manual_seed(1)
        self.model = nn.Linear(1, 1)
        self.at = at or {}
        """What else happens in a step."""
        self.carried = torch.zeros(1)

    def loss(self, step: int) -> tuple[Tensor, int]:
        x = torch.rand(8, 1)
        self.carried = 0.5 * self.carried + x.mean()
        loss = ((self.model(x) - 2 * x + 0.1 * self.carried) ** 2).mean()
        changed = self.at.get(step, lambda: None)()
        return (loss * changed if isinstance(changed, Tensor) else loss), len(x)

    def around_step(self) -> AbstractContextManager[None]:
        return nullcontext()

    def validate(self, model: nn.Module) -> dict[str, Any]:
        assert isinstance(model, nn.Linear)
        return {"val_loss": float((model.weight.detach() - 2).abs()), "sample": "text"}

    def state(self) -> dict[str, Any]:
        return {"carried": self.carried}

    def restore(self, state: dict[str, Any]) -> None:
        self.carried = state["carried"]


class Death(BaseException):
    """Stands for a kill: nothing may catch it."""


def die() -> NoReturn:
    raise Death


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run.create("charlm", tmp_path / "run")
    run.write_config({"command": "charlm"})
    yield run
    run.close()


def trainer(
    run: Run, objective: Slope, config: TrainingConfig = SELDOM, minutes: float | None = None
) -> Trainer:
    steps = STEPS if minutes is None else None
    schedule = Schedule(config.learning_rate, steps=steps, minutes=minutes)
    return Trainer(run, objective, schedule, config, torch.device("cpu"))


def resumed(run: Run, objective: Slope, config: TrainingConfig = SELDOM) -> Trainer:
    other = trainer(run, objective, config)
    state, warnings = checkpoint.load_latest(run.checkpoints)
    assert warnings == []
    other.restore(state)
    return other


def everything(run: Run) -> dict[str, Any]:
    """What the last checkpoint holds of the model, in one flat table."""
    state, _ = checkpoint.load_latest(run.checkpoints)
    moments = {
        (k, i): v for k, each in enumerate(state["optimizers"]) for i, v in each["state"].items()
    }
    flat = {f"model.{k}": v for k, v in state["model"].items()}
    flat |= {f"average.{k}": v for k, v in state["average"].items()}
    flat |= {f"moment.{i}.{k}": v for i, each in moments.items() for k, v in each.items()}
    flat |= {"random": state["random"], "carried": state["task"]["carried"]}
    return flat | {"loss": torch.tensor(state["loss"]), "step": torch.tensor(state["step"])}


def assert_same(left: dict[str, Any], right: dict[str, Any]) -> None:
    assert left.keys() == right.keys()
    for name in left:
        assert torch.equal(left[name], right[name]), name


@pytest.fixture
def whole(tmp_path: Path) -> dict[str, Any]:
    """How a run ends that nothing disturbs."""
    run = Run.create("charlm", tmp_path / "whole")
    run.write_config({"command": "charlm"})
    trainer(run, Slope()).fit()
    run.close()
    return everything(run)


def test_plan_is_carried_out(run: Run) -> None:
    objective = Slope()
    outcome = trainer(run, objective).fit()
    assert (outcome.step, outcome.finished) == (STEPS, True)
    assert outcome.rate == pytest.approx(STEPS * 8 / outcome.seconds)
    assert not outcome.model.training
    average, last = outcome.model.get_parameter("weight"), objective.model.weight
    assert average.item() != last.item(), "the averaged weights are what counts"
    (row,) = run.metrics()
    assert row["step"] == STEPS
    assert row["sample"] == "text"
    assert row["val_loss"] == pytest.approx(abs(average.item() - 2))
    assert row["learning_rate"] < 0.01 * SELDOM.learning_rate, "the rate falls to nothing"


def test_validations_change_nothing(run: Run, whole: dict[str, Any]) -> None:
    trainer(run, Slope(), EVERY).fit()
    assert [row["step"] for row in run.metrics()] == list(range(1, STEPS + 1))
    assert_same(everything(run), whole)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("step", [0, 13, STEPS - 2])
def test_interrupted_run_ends_the_same(
    run: Run, whole: dict[str, Any], stop: signal.Signals, step: int
) -> None:
    handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    outcome = trainer(run, Slope({step: lambda: os.kill(os.getpid(), stop)})).fit()
    assert (outcome.step, outcome.finished) == (step + 1, False)
    assert handlers == [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    torch.manual_seed(99)
    assert resumed(run, Slope()).fit().finished
    assert_same(everything(run), whole)
    assert [row["step"] for row in run.metrics()] == [step + 1, STEPS]


@pytest.mark.parametrize("step", [1, 2, 17, STEPS - 1])
def test_killed_run_ends_the_same(run: Run, whole: dict[str, Any], step: int) -> None:
    with pytest.raises(Death):
        trainer(run, Slope({step: die}), EVERY).fit()
    torch.manual_seed(99)
    again = resumed(run, Slope(), EVERY)
    assert again.step == step
    again.fit()
    assert_same(everything(run), whole)
    assert [row["step"] for row in run.metrics()] == list(range(1, STEPS + 1))


def test_interrupted_in_the_last_step_is_finished(run: Run) -> None:
    assert trainer(run, Slope({STEPS - 1: interrupt})).fit().finished


def test_interrupted_before_the_first_step(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def bar(own: Trainer) -> Any:
        interrupt()
        return plain(own)

    plain = Trainer._bar
    monkeypatch.setattr(Trainer, "_bar", bar)
    outcome = trainer(run, Slope()).fit()
    assert (outcome.step, outcome.finished) == (0, False)
    assert run.metrics()[0]["loss"] is None
    monkeypatch.setattr(Trainer, "_bar", plain)
    assert resumed(run, Slope()).fit().finished


def test_second_interrupt_ends_at_once(run: Run) -> None:
    def twice() -> None:
        interrupt()
        interrupt()

    with pytest.raises(KeyboardInterrupt):
        trainer(run, Slope({5: twice})).fit()


def test_finished_run_is_left_as_it_is(run: Run, whole: dict[str, Any]) -> None:
    trainer(run, Slope()).fit()
    outcome = resumed(run, Slope()).fit()
    assert (outcome.step, outcome.finished) == (STEPS, True)
    assert_same(everything(run), whole)
    assert len(run.metrics()) == 1


def test_another_thread_takes_no_signals(run: Run) -> None:
    found: list[TrainingOutcome] = []
    thread = threading.Thread(target=lambda: found.append(trainer(run, Slope()).fit()))
    thread.start()
    thread.join(60)
    assert found[0].finished


# --- numbers that are none ------------------------------------------------------------


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_loss_that_is_no_number(run: Run, value: float) -> None:
    objective = Slope({9: lambda: torch.tensor(value)})
    with pytest.raises(TrainingError, match=r"step 9 .*lower --learning-rate") as raised:
        trainer(run, objective, EVERY).fit()
    assert "\n" not in str(raised.value)
    assert_last_is_sound(run, 9)


def test_gradient_that_is_no_number(run: Run) -> None:
    """The loss is a number still, the weights after it are not."""

    def spoil() -> Tensor:
        return 1 + 1e-3 * torch.sqrt(objective.model.weight.sum() * 0)

    objective = Slope({9: spoil})
    with pytest.raises(TrainingError, match="step 9"):
        trainer(run, objective, EVERY).fit()
    assert_last_is_sound(run, 9)


def test_loss_that_rises_far(run: Run) -> None:
    """A number still; but the run has gone astray, and would last to its end."""
    objective = Slope({9: lambda: torch.tensor(1e5)})
    with pytest.raises(TrainingError, match=r"risen from .* at step 10; .*lower --learning-rate"):
        trainer(run, objective, EVERY).fit()
    assert_last_is_sound(run, 9)
    assert run.metrics()[-1]["step"] == 9


def assert_last_is_sound(run: Run, step: int) -> None:
    state, _ = checkpoint.load_latest(run.checkpoints)
    assert state["step"] == step
    assert all(value.isfinite().all() for value in state["model"].values())
    assert all(value.isfinite().all() for value in state["average"].values())


# --- minutes --------------------------------------------------------------------------


class Clock:
    """Each step takes a second."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 5000.0
        monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: self.now))

    def tick(self) -> None:
        self.now += 1


def ticking(clock: Clock, stop: int | None = None) -> Slope:
    def tick() -> None:
        clock.tick()
        if clock.now - 5000 == stop:
            interrupt()

    return Slope(dict.fromkeys(range(1000), tick))


def test_minutes_are_kept(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    outcome = trainer(run, ticking(clock), minutes=1).fit()
    assert outcome.finished
    assert outcome.step == 59, "it stops before the limit rather than a step after"
    assert outcome.seconds == 59
    assert [row["step"] for row in run.metrics()] == [10, 20, 30, 40, 50, 59]


def test_resumed_run_has_the_minutes_it_had_left(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    first = trainer(run, ticking(clock, stop=25), minutes=1).fit()
    assert (first.step, first.finished) == (25, False)
    clock.now += 10_000  # a night between the sittings
    second = resumed(run, ticking(clock))
    assert second.schedule.minutes == 1
    outcome = second.fit()
    assert outcome.finished
    assert (outcome.step, outcome.seconds) == (59, 59)


# --- storage --------------------------------------------------------------------------


def test_full_disk_leaves_the_last_checkpoint(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> NoReturn:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        objective = Slope({9: lambda: patch.setattr(os, "fsync", full)})
        with pytest.raises(RunError, match="cannot write .*No space left on device"):
            trainer(run, objective, EVERY).fit()
    assert_last_is_sound(run, 9)


def test_cut_checkpoint_falls_back(run: Run, whole: dict[str, Any]) -> None:
    with pytest.raises(Death):
        trainer(run, Slope({9: die}), EVERY).fit()
    newest = max(run.checkpoints.glob("*.ckpt"))
    newest.write_bytes(newest.read_bytes()[:-100])
    state, warnings = checkpoint.load_latest(run.checkpoints)
    assert state["step"] == 8
    assert [newest.name in warning and "damaged" in warning for warning in warnings] == [True]
    again = trainer(run, Slope(), SELDOM)
    again.restore(state)
    again.fit()
    assert_same(everything(run), whole)


# --- device ---------------------------------------------------------------------------


def test_no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto") == pick_device("cpu") == torch.device("cpu")
    with pytest.raises(TrainingError, match=r"no CUDA device; .*--device cpu"):
        pick_device("cuda")


def test_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device("auto") == pick_device("cuda") == torch.device("cuda")
    assert pick_device("cpu") == torch.device("cpu")
    for bfloat16 in (True, False):
        assert pick_precision(torch.device("cuda"), bfloat16) == torch.float16


@pytest.mark.parametrize("having", ["avx512_bf16", "amx_bf16", None])
def test_bfloat16_where_the_processor_has_it(
    monkeypatch: pytest.MonkeyPatch, having: str | None
) -> None:
    known = {"avx2": True, "avx512_bf16": False} | ({having: True} if having else {})
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known)
    cpu = torch.device("cpu")
    assert pick_precision(cpu, True) == (torch.bfloat16 if having else torch.float32)
    assert pick_precision(cpu, False) == torch.float32
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert pick_precision(cpu, True) == torch.float32, "an older torch cannot tell"


def test_who_updates_what(run: Run) -> None:
    adam, muon = trainer(run, Slope()).optimizers
    matrices, vectors = adam.param_groups
    (gates,) = muon.param_groups
    assert [p.ndim for p in matrices["params"]] == []
    assert [p.ndim for p in vectors["params"]] == [1]
    assert [p.ndim for p in gates["params"]] == [2]
    assert gates["weight_decay"] == matrices["weight_decay"] == SELDOM.weight_decay
    assert vectors["weight_decay"] == 0, "a bias has no reason to be small"
    assert gates["share"] == SELDOM.muon
    assert matrices["share"] == vectors["share"] == 1


def test_without_muon(run: Run) -> None:
    (adam,) = trainer(run, Slope(), replace(SELDOM, muon=0.0)).optimizers
    assert [p.ndim for group in adam.param_groups for p in group["params"]] == [2, 1]


def test_training_keeps_what_it_frees(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setattr("rnn_train.training.loop.keep_freed", lambda: asked.append(True))
    trainer(run, Slope())
    assert asked == [True]
