"""One optimizer step: gradient, clipping, average, loss scale; and the state of a checkpoint."""

import copy
import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rnn_train.training import learner
from rnn_train.training.config import TrainingConfig
from rnn_train.training.learner import Learner

CPU = torch.device("cpu")
CONFIG = TrainingConfig(learning_rate=0.1, muon=0.5, weight_decay=0.0, clip=1e9)


class Line:
    """An objective: y = 2x, from three points a batch. Both hooks of a step are recorded."""

    unit = "points"
    bfloat16 = False

    def __init__(self, factors: dict[int, float] | None = None) -> None:
        torch.manual_seed(1)
        self.model = nn.Linear(1, 1)
        self.factors = factors or {}
        """Factor of the loss at a step."""
        self.depth = 0

    @property
    def tables(self) -> Sequence[nn.Parameter]:
        return ()

    @property
    def gates(self) -> Sequence[nn.Parameter]:
        return [self.model.get_parameter("weight")]

    def loss(self, step: int) -> tuple[Tensor, int]:
        assert self.depth == 1, "the forward pass is not inside around_step"
        x = torch.linspace(0, 1 + step % 3, 3)[:, None]
        return ((self.model(x) - 2 * x) ** 2).mean() * self.factors.get(step, 1.0), 3

    def around_step(self) -> AbstractContextManager[None]:
        @contextmanager
        def entered() -> Iterator[None]:
            self.depth += 1
            yield
            assert self.model.weight.grad is not None, "the backward pass is outside"
            self.depth -= 1

        return entered()

    def validate(self, model: nn.Module) -> dict[str, Any]:
        raise NotImplementedError(model)

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        raise NotImplementedError(state)


def weights(model: nn.Module) -> list[Tensor]:
    return [each.detach().clone() for each in model.parameters()]


def test_step_reports_loss_gradient_and_units() -> None:
    objective = Line()
    weight, bias = (float(each.detach()) for each in objective.model.parameters())
    x = torch.tensor([0.0, 0.5, 1.0])
    error = weight * x + bias - 2 * x
    norm = math.hypot(float((2 * error * x).mean()), float((2 * error).mean()))
    found = Learner(objective, CONFIG, CPU).take_step(0, 0.1)
    assert found.loss == pytest.approx(float((error**2).mean()), rel=1e-5)
    assert found.gradient_norm == pytest.approx(norm, rel=1e-5)
    assert (found.units, found.sound) == (3, True)
    assert objective.depth == 0


def test_learning_rate_is_that_of_the_step_times_the_share() -> None:
    subject = Learner(Line(), CONFIG, CPU)
    subject.take_step(0, 0.025)
    assert subject.learning_rate == 0.025
    rates = [group["lr"] for each in subject.optimizers for group in each.param_groups]
    assert rates == [0.025, 0.025, 0.0125]


def test_rate_zero_changes_nothing() -> None:
    objective = Line()
    before = weights(objective.model)
    Learner(objective, CONFIG, CPU).take_step(0, 0.0)
    assert all(map(torch.equal, weights(objective.model), before))


def test_gradient_is_clipped() -> None:
    objective = Line()
    config = TrainingConfig(clip=1e-3)
    found = Learner(objective, config, CPU).take_step(0, 0.1)
    assert found.gradient_norm > 1e-3, "the reported norm is the norm before clipping"
    gradients = [each.grad for each in objective.model.parameters() if each.grad is not None]
    assert float(torch.cat([each.flatten() for each in gradients]).norm()) == pytest.approx(1e-3)


def test_average_forgets_fast_at_first() -> None:
    objective = Line()
    subject = Learner(objective, CONFIG, CPU)
    expected = weights(objective.model)
    for step in range(5):
        subject.take_step(step, 0.1)
        now = weights(objective.model)
        # torch copies the weights at the first update.
        decay = 0.0 if step == 0 else (1 + step) / (10 + step)
        expected = [old.lerp(new, 1 - decay) for old, new in zip(expected, now, strict=True)]
    averaged = subject.averaged_model()
    assert not averaged.training
    assert objective.model.training
    for found, value in zip(weights(averaged), expected, strict=True):
        torch.testing.assert_close(found, value)


def test_average_may_follow_some_steps_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learner, "_OFTEN_FIRST", 2)
    objective = Line()
    subject = Learner(objective, replace(CONFIG, average_every=3), CPU)
    changed = []
    for step in range(9):
        before = weights(subject.averaged_model())
        subject.take_step(step, 0.1)
        after = weights(subject.averaged_model())
        if any(not torch.equal(a, b) for a, b in zip(before, after, strict=True)):
            changed.append(step)
    assert changed == [0, 1, 3, 6]


def test_a_gradient_within_the_limit_is_not_scaled() -> None:
    objective = Line()
    found = Learner(objective, replace(CONFIG, clip=1e3), CPU).take_step(0, 0.1)
    assert found.gradient_norm < 1e3
    gradients = [each.grad for each in objective.model.parameters()]
    expected = Line()
    expected.depth = 1
    expected.loss(0)[0].backward()  # type: ignore[no-untyped-call]
    for one, other in zip(gradients, expected.model.parameters(), strict=True):
        assert one is not None
        assert other.grad is not None
        assert torch.equal(one, other.grad)


def test_going_on_from_the_average_begins_another_one() -> None:
    objective = Line()
    subject = Learner(objective, CONFIG, CPU)
    for step in range(5):
        subject.take_step(step, 0.1)
    kept = [each.clone() for each in weights(subject.averaged_model())]
    assert any(not torch.equal(a, b) for a, b in zip(kept, weights(objective.model), strict=True))
    subject.go_on_from_average()
    for found, value in zip(weights(objective.model), kept, strict=True):
        assert torch.equal(found, value)
    subject.take_step(5, 0.1)
    for found, value in zip(
        weights(subject.averaged_model()), weights(objective.model), strict=True
    ):
        assert torch.equal(found, value)
        assert all(not torch.equal(value, old) for old in kept)


@pytest.mark.parametrize("factor", [math.nan, math.inf])
def test_bad_loss_leaves_the_weights(factor: float) -> None:
    objective = Line({2: factor})
    subject = Learner(objective, CONFIG, CPU)
    for step in (0, 1):
        assert subject.take_step(step, 0.1).sound
    before = weights(objective.model) + weights(subject.averaged_model())
    assert not subject.take_step(2, 0.1).sound
    after = weights(objective.model) + weights(subject.averaged_model())
    assert all(map(torch.equal, before, after))


def test_precision_is_chosen_for_device_and_objective(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[torch.device, bool]] = []

    def pick(device: torch.device, bfloat16: bool) -> torch.dtype:
        asked.append((device, bfloat16))
        return torch.bfloat16

    monkeypatch.setattr(learner, "pick_precision", pick)
    subject = Learner(Line(), CONFIG, CPU)
    assert subject.precision == torch.bfloat16
    assert asked == [(CPU, False)]
    assert subject.take_step(0, 0.1).sound


def test_restored_learner_goes_on_exactly() -> None:
    objective = Line()
    subject = Learner(objective, CONFIG, CPU)
    for step in range(3):
        subject.take_step(step, 0.1)
    state = copy.deepcopy(subject.state())
    assert list(state) == ["model", "average", "optimizers", "scaler"]
    for step in range(3, 6):
        subject.take_step(step, 0.1)
    other_objective = Line()
    other = Learner(other_objective, CONFIG, CPU)
    other.restore(state)
    for step in range(3, 6):
        other.take_step(step, 0.1)
    for one, two in zip(weights(objective.model), weights(other_objective.model), strict=True):
        assert torch.equal(one, two)
    for one, two in zip(
        weights(subject.averaged_model()), weights(other.averaged_model()), strict=True
    ):
        assert torch.equal(one, two)


@pytest.mark.parametrize("before", [torch.float32, torch.float16])
@pytest.mark.parametrize("after", [torch.float32, torch.float16])
def test_a_run_goes_on_in_another_precision(
    before: torch.dtype, after: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on another device: float16, on CUDA alone, has a loss scale."""
    monkeypatch.setattr(learner, "pick_precision", lambda *_: before)
    subject = Learner(Line(), CONFIG, CPU)
    subject.take_step(0, 0.1)
    monkeypatch.setattr(learner, "pick_precision", lambda *_: after)
    objective = Line()
    other = Learner(objective, CONFIG, CPU)
    other.restore(copy.deepcopy(subject.state()))
    kept = weights(objective.model)
    assert other.take_step(1, 0.1).sound
    assert not any(map(torch.equal, weights(objective.model), kept))
