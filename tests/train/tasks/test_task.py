"""The interface that both kinds of task offer, and what they share."""

import json
from pathlib import Path

import pytest
import torch

from rnn_train.run_task import finished_task
from rnn_train.tasks.plan import Plan
from rnn_train.tasks.task import HeldOutResult, rounded, temperature_warnings
from rnn_train.training_session import TrainingReport


@pytest.mark.parametrize("kind", ["finished", "finished_classifier"])
def test_kinds_offer_the_same(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report: TrainingReport = request.getfixturevalue(kind)
    device = torch.device("cpu")
    with finished_task(report.run) as task:
        assert isinstance(task.plan, Plan)
        assert task.plan.command == task.plan.to_config()["command"]
        assert task.steps_per_epoch > 1
        assert task.prepare(device, lambda _: None) >= 0
        objective = task.objective(device)
        assert objective.model is task.model
        loss, size = objective.loss(0)
        assert loss.requires_grad
        assert size > 0
        task.model.eval()
        result = task.measure(task.model)
        assert result.metrics == pytest.approx(report.metrics, abs=1e-4)
        card = task.card(result)
        assert card.temperature == result.temperature
        assert any(value in card.training.values() for value in rounded(result.metrics).values())
        monkeypatch.chdir(tmp_path)
        task.plot(task.model, tmp_path)
        lines = task.compare(task.model, tmp_path)
        assert all("\n" not in line for line in lines)


def test_rounded_metrics() -> None:
    metrics = rounded({"accuracy": 1.0, "loss": 0.123456, "rows": 401.0, "nats": 2.5})
    assert metrics == {"accuracy": 1.0, "loss": 0.1235, "rows": 401, "nats": 2.5}
    assert json.dumps(metrics) == '{"accuracy": 1.0, "loss": 0.1235, "rows": 401, "nats": 2.5}'


def test_result_without_held_out_data() -> None:
    assert HeldOutResult({}).temperature == 1.0


@pytest.mark.parametrize(
    ("held_out", "temperature", "expected"), [(0, 1.0, 1), (1, 1.0, 0), (0, 1.2, 0), (9, 1.2, 1)]
)
def test_temperature_warnings(held_out: int, temperature: float, expected: int) -> None:
    warnings = temperature_warnings(held_out, temperature)
    assert len(warnings) == expected
    cure = "give --val-fraction 0 to use it" if held_out else "of a run that held some data out"
    assert all(cure in warning for warning in warnings)


def test_temperature_warnings_of_a_student() -> None:
    """Its soft targets teach how sure to be. But no option is dropped without a word."""
    assert temperature_warnings(0, 1.0, student=True) == []
    (warning,) = temperature_warnings(9, 1.2, student=True)
    assert "--temperature 1.2 is not used" in warning


def test_metrics_are_rounded_to_four_decimals() -> None:
    assert rounded({"nats": 1.23456, "rows": 10.0}) == {"nats": 1.2346, "rows": 10.0}
