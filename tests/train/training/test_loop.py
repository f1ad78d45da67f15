"""The training loop: schedule, interruption, exact resume, divergence, full disks."""

import math
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
import torch
from torch import Tensor, nn

from rnn_train.errors import RunError, TrainingError
from rnn_train.training import checkpoint, loop
from rnn_train.training.config import TrainingConfig
from rnn_train.training.loop import Trainer, TrainingOutcome
from rnn_train.training.objective import with_restart
from rnn_train.training.progress import TrainingBar
from rnn_train.training.run import Run
from rnn_train.training.schedule import Schedule

STEPS = 30
EVERY = TrainingConfig(validate_every=0.0, learning_rate=0.05, muon=2.0)
SELDOM = TrainingConfig(validate_every=3600.0, learning_rate=0.05, muon=2.0)


class Line:
    """An objective: y = 2x from random points. A resumed run must draw the same random points, and
    carry the same state."""

    unit = "points"
    bfloat16 = False

    @property
    def tables(self) -> Sequence[nn.Parameter]:
        return ()

    @property
    def gates(self) -> Sequence[nn.Parameter]:
        return [self.model.get_parameter("weight")]

    def __init__(self, at: dict[int, Callable[[], object]] | None = None) -> None:
        torch.manual_seed(1)
        self.model = nn.Linear(1, 1)
        self.at = at or {}
        """What else happens at a step."""
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


class Killed(BaseException):
    """Simulates a kill: no code may catch it."""


def kill() -> NoReturn:
    raise Killed


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run.create("charlm", tmp_path / "run")
    run.write_config({"command": "charlm"})
    yield run
    run.close()


def trainer(
    run: Run, objective: Line, config: TrainingConfig = SELDOM, minutes: float | None = None
) -> Trainer:
    steps = STEPS if minutes is None else None
    schedule = Schedule(config.learning_rate, steps=steps, minutes=minutes)
    return Trainer(run, objective, schedule, config, torch.device("cpu"))


def resumed(run: Run, objective: Line, config: TrainingConfig = SELDOM) -> Trainer:
    other = trainer(run, objective, config)
    state, warnings = checkpoint.load_latest(run.checkpoints)
    assert warnings == []
    other.restore(state)
    return other


def checkpoint_contents(run: Run) -> dict[str, Any]:
    """All tensors of the last checkpoint, in one flat dictionary."""
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
def uninterrupted(tmp_path: Path) -> dict[str, Any]:
    """The last checkpoint of an uninterrupted run."""
    run = Run.create("charlm", tmp_path / "uninterrupted")
    run.write_config({"command": "charlm"})
    trainer(run, Line()).fit()
    run.close()
    return checkpoint_contents(run)


def test_run_goes_to_the_end_of_its_schedule(run: Run) -> None:
    objective = Line()
    outcome = trainer(run, objective).fit()
    assert (outcome.step, outcome.finished) == (STEPS, True)
    assert outcome.rate == pytest.approx(STEPS * 8 / outcome.seconds)
    assert not outcome.model.training
    average, last = outcome.model.get_parameter("weight"), objective.model.weight
    assert average.item() != last.item(), "the outcome has the averaged weights"
    (row,) = run.metrics()
    assert row["step"] == STEPS
    assert row["sample"] == "text"
    assert row["val_loss"] == pytest.approx(abs(average.item() - 2))
    assert row["learning_rate"] < 0.01 * SELDOM.learning_rate, "the learning rate falls to 0"


def test_validation_does_not_change_the_result(run: Run, uninterrupted: dict[str, Any]) -> None:
    trainer(run, Line(), EVERY).fit()
    assert [row["step"] for row in run.metrics()] == list(range(1, STEPS + 1))
    assert_same(checkpoint_contents(run), uninterrupted)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("step", [1, 13, STEPS - 2])
def test_interrupted_run_ends_the_same(
    run: Run, uninterrupted: dict[str, Any], stop: signal.Signals, step: int
) -> None:
    handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    outcome = trainer(run, Line({step: lambda: os.kill(os.getpid(), stop)})).fit()
    assert (outcome.step, outcome.finished) == (step + 1, False)
    assert handlers == [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    torch.manual_seed(99)
    assert resumed(run, Line()).fit().finished
    assert_same(checkpoint_contents(run), uninterrupted)
    assert [row["step"] for row in run.metrics()] == [step + 1, STEPS]


@pytest.mark.parametrize("step", [1, 2, 17, STEPS - 1])
def test_killed_run_ends_the_same(run: Run, uninterrupted: dict[str, Any], step: int) -> None:
    with pytest.raises(Killed):
        trainer(run, Line({step: kill}), EVERY).fit()
    torch.manual_seed(99)
    again = resumed(run, Line(), EVERY)
    assert again.step == step
    again.fit()
    assert_same(checkpoint_contents(run), uninterrupted)
    assert [row["step"] for row in run.metrics()] == list(range(1, STEPS + 1))


def test_interrupted_in_the_last_step_is_finished(run: Run) -> None:
    assert trainer(run, Line({STEPS - 1: interrupt})).fit().finished


def test_interrupted_before_the_first_step(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def bar(*arguments: Any) -> TrainingBar:
        interrupt()
        return TrainingBar(*arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(loop, "TrainingBar", bar)
        trainer(run, Line()).fit()
    assert not run.has_work


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_in_the_first_step(run: Run, stop: signal.Signals) -> None:
    """Nothing is lost, so it does not wait for the end of the step."""
    done: list[int] = []

    def first() -> None:
        signal.raise_signal(stop)
        done.append(0)

    with pytest.raises(KeyboardInterrupt):
        trainer(run, Line({0: first})).fit()
    assert not done
    assert not run.has_work


def test_second_ctrl_c_raises(run: Run) -> None:
    def twice() -> None:
        interrupt()
        interrupt()

    with pytest.raises(KeyboardInterrupt):
        trainer(run, Line({5: twice})).fit()


def test_resuming_a_finished_run_changes_nothing(run: Run, uninterrupted: dict[str, Any]) -> None:
    trainer(run, Line()).fit()
    outcome = resumed(run, Line()).fit()
    assert (outcome.step, outcome.finished) == (STEPS, True)
    assert_same(checkpoint_contents(run), uninterrupted)
    assert len(run.metrics()) == 1


def test_training_in_another_thread(run: Run) -> None:
    found: list[TrainingOutcome] = []
    thread = threading.Thread(target=lambda: found.append(trainer(run, Line()).fit()))
    thread.start()
    thread.join(60)
    assert found[0].finished


# --- divergence -----------------------------------------------------------------------


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_loss_that_is_not_finite(run: Run, value: float) -> None:
    objective = Line({9: lambda: torch.tensor(value)})
    with pytest.raises(TrainingError, match=r"step 9 .*lower --learning-rate") as raised:
        trainer(run, objective, EVERY).fit()
    assert "\n" not in str(raised.value)
    assert_last_checkpoint_is_finite(run, 9)


def test_gradient_that_is_not_finite(run: Run) -> None:
    """The loss is still finite; the weights after the step would not be."""

    def spoil() -> Tensor:
        return 1 + 1e-3 * torch.sqrt(objective.model.weight.sum() * 0)

    objective = Line({9: spoil})
    with pytest.raises(TrainingError, match="step 9"):
        trainer(run, objective, EVERY).fit()
    assert_last_checkpoint_is_finite(run, 9)


def test_loss_that_rises_far(run: Run) -> None:
    """The loss is still finite, but the run has diverged."""
    objective = Line({9: lambda: torch.tensor(1e5)})
    with pytest.raises(TrainingError, match=r"risen from .* at step 10; .*lower --learning-rate"):
        trainer(run, objective, EVERY).fit()
    assert_last_checkpoint_is_finite(run, 9)
    assert run.metrics()[-1]["step"] == 9


def assert_last_checkpoint_is_finite(run: Run, step: int) -> None:
    state, _ = checkpoint.load_latest(run.checkpoints)
    assert state["step"] == step
    assert all(value.isfinite().all() for value in state["model"].values())
    assert all(value.isfinite().all() for value in state["average"].values())


# --- minutes --------------------------------------------------------------------------


class Clock:
    """A clock that the test moves on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 5000.0
        monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: self.now))

    def tick(self) -> None:
        self.now += 1


def one_second_steps(clock: Clock, stop: int | None = None) -> Line:
    def tick() -> None:
        clock.tick()
        if clock.now - 5000 == stop:
            interrupt()

    return Line(dict.fromkeys(range(1000), tick))


def test_run_of_minutes(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    outcome = trainer(run, one_second_steps(clock), minutes=1).fit()
    assert outcome.finished
    assert outcome.step == 59, "it ends before the limit, not one step after"
    assert outcome.seconds == 59
    assert [row["step"] for row in run.metrics()] == [10, 20, 30, 40, 50, 59]


def test_resumed_run_has_the_remaining_minutes(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    first = trainer(run, one_second_steps(clock, stop=25), minutes=1).fit()
    assert (first.step, first.finished) == (25, False)
    clock.now += 10_000  # the run is interrupted for a while
    second = resumed(run, one_second_steps(clock))
    assert second.schedule.minutes == 1
    outcome = second.fit()
    assert outcome.finished
    assert (outcome.step, outcome.seconds) == (59, 59)


# --- storage --------------------------------------------------------------------------


class TwoLines(Line):
    """Has a last phase, with a warm restart. Its begin keeps the averaged weight."""

    measures = False
    restart_rate = 0.5
    last_phase_from = 0.5
    average: Tensor | None = None
    begun: Tensor | None = None
    """The weight of the first step of the last phase."""

    def begin_last_phase(self, model: nn.Linear, step: int) -> list[str]:
        self.average = model.weight.detach().clone()
        self.last_phase_from = 1.0
        return [f"step {step}"]

    def loss(self, step: int) -> tuple[Tensor, int]:
        if self.average is not None and self.begun is None:
            self.begun = self.model.weight.detach().clone()
        return super().loss(step)


@pytest.mark.parametrize("restart", [True, False])
def test_last_phase_with_a_restart_starts_from_the_average(run: Run, restart: bool) -> None:
    objective = TwoLines()
    subject = trainer(run, objective)
    if restart:
        subject.schedule = with_restart(subject.schedule, objective, held=True)
        assert subject.schedule.held
    subject.fit()
    assert objective.average is not None
    assert objective.begun is not None
    assert torch.equal(objective.average, objective.begun) == restart


def test_further_part_starts_from_the_average(run: Run) -> None:
    trainer(run, Line()).fit()
    subject = resumed(run, Line())
    average = subject.learner.averaged_model().get_parameter("weight").detach().clone()
    subject.begin_part(Schedule(0.1, steps=STEPS, minutes=None, part=1))
    assert torch.equal(subject.objective.model.get_parameter("weight"), average)
    assert subject.progress == 0


def test_full_disk_keeps_the_last_checkpoint(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> NoReturn:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        objective = Line({9: lambda: patch.setattr(os, "fsync", full)})
        with pytest.raises(RunError, match="cannot write .*No space left on device"):
            trainer(run, objective, EVERY).fit()
    assert_last_checkpoint_is_finite(run, 9)


def test_damaged_checkpoint_is_skipped(run: Run, uninterrupted: dict[str, Any]) -> None:
    with pytest.raises(Killed):
        trainer(run, Line({9: kill}), EVERY).fit()
    newest = max(run.checkpoints.glob("*.ckpt"))
    newest.write_bytes(newest.read_bytes()[:-100])
    state, warnings = checkpoint.load_latest(run.checkpoints)
    assert state["step"] == 8
    assert [newest.name in warning and "damaged" in warning for warning in warnings] == [True]
    again = trainer(run, Line(), SELDOM)
    again.restore(state)
    again.fit()
    assert_same(checkpoint_contents(run), uninterrupted)


# --- memory ---------------------------------------------------------------------------


def test_training_keeps_freed_memory(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setattr("rnn_train.training.loop.keep_freed", lambda: asked.append(True))
    trainer(run, Line())
    assert asked == [True]
