"""A network of an ensemble: trained inside the run of its student, and resumed there."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rnn_train.distillation.ensemble import teacher_seconds, train_teacher
from rnn_train.training import checkpoint
from rnn_train.training.config import TrainingConfig
from rnn_train.training.loop import Trainer, TrainingOutcome
from rnn_train.training.run import Run
from rnn_train.training.schedule import Schedule

STEPS = 6


class Line:
    """An objective: y = 2x."""

    unit = "points"
    bfloat16 = False
    gates: Sequence[nn.Parameter] = ()
    tables: Sequence[nn.Parameter] = ()

    def __init__(self, at: dict[int, Callable[[], object]] | None = None) -> None:
        torch.manual_seed(1)
        self.model = nn.Linear(1, 1)
        self.at = at or {}
        """What else happens at a step."""
        self.steps: list[int] = []

    def loss(self, step: int) -> tuple[Tensor, int]:
        self.at.get(step, lambda: None)()
        self.steps.append(step)
        x = torch.rand(8, 1)
        return ((self.model(x) - 2 * x) ** 2).mean(), len(x)

    def around_step(self) -> AbstractContextManager[None]:
        return nullcontext()

    def validate(self, model: nn.Module) -> dict[str, Any]:
        assert isinstance(model, nn.Linear)
        return {}

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        assert state == {}


class Killed(BaseException):
    """Simulates a kill: no code may catch it."""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run.create("charlm", tmp_path / "run")
    run.write_config({"command": "charlm"})
    yield run
    run.close()


def train(run: Run, objective: Line, lines: list[str] | None = None) -> TrainingOutcome:
    schedule = Schedule(0.05, steps=STEPS, minutes=None)
    config = TrainingConfig(validate_every=0.0)
    log = [] if lines is None else lines
    return train_teacher(run, "2", objective, schedule, config, torch.device("cpu"), log.append)


def test_network_has_a_folder_in_the_run_of_its_student(run: Run) -> None:
    outcome = train(run, Line())
    assert (outcome.step, outcome.finished) == (STEPS, True)
    state, _ = checkpoint.load_latest(run.folder / "teachers" / "2" / "checkpoints")
    assert state["step"] == STEPS
    assert not list(run.checkpoints.iterdir()), "the student has not begun"
    assert teacher_seconds(run, "2") == state["elapsed"] == pytest.approx(outcome.seconds, abs=1)


def test_killed_network_goes_on_from_its_checkpoint(run: Run) -> None:
    def kill() -> None:
        raise Killed

    with pytest.raises(Killed):
        train(run, Line({4: kill}))
    objective = Line()
    outcome = train(run, objective)
    assert objective.steps == [4, 5]
    other = Run.create("charlm", run.folder.with_name("other"))
    other.write_config({"command": "charlm"})
    whole = train(other, Line())
    other.close()
    weight, expected = (each.model.get_parameter("weight") for each in (outcome, whole))
    assert torch.equal(weight, expected)


def test_finished_network_is_not_trained_again(run: Run) -> None:
    train(run, Line())
    objective = Line()
    assert train(run, objective).finished
    assert objective.steps == []


def test_interrupted_network_ends_the_run(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    fit = Trainer.fit

    def interrupted(own: Trainer) -> TrainingOutcome:
        outcome = fit(own)
        object.__setattr__(outcome, "finished", False)
        return outcome

    monkeypatch.setattr(Trainer, "fit", interrupted)
    lines: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        train(run, Line(), lines)
    assert not lines, "the session says how to go on"


def test_damaged_checkpoint_is_a_warning(run: Run) -> None:
    train(run, Line())
    newest = max((run.folder / "teachers" / "2" / "checkpoints").glob("*.ckpt"))
    newest.write_bytes(newest.read_bytes()[:-1])
    lines: list[str] = []
    objective = Line()
    train(run, objective, lines)
    assert objective.steps == [STEPS - 1]
    assert lines[0].startswith("warning: ")
    assert newest.name in lines[0]
