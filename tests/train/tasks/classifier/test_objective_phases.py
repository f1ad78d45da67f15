"""Training of the n-grams alone, before the whole network."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy

from rnn_train import pipeline
from rnn_train.data.alphabet import label_indices
from rnn_train.distributed.share import Share
from rnn_train.errors import RunError
from rnn_train.tasks.classifier import recipe
from rnn_train.tasks.classifier.objective import ClassifierObjective
from rnn_train.tasks.classifier.task import ClassifierTask
from rnn_train.training import checkpoint
from rnn_train.training.objective import with_restart
from rnn_train.training.schedule import Schedule
from rnn_train.training_session import TrainingReport

BAG = {
    "hidden": 8,
    "embedding": 4,
    "ngrams": 3,
    "ngram_rows": 50,
    "ngram_width": 4,
    "evidence": 1,
    "bag": True,
}
Create = Callable[..., ClassifierTask]


def objective(task: ClassifierTask, alone: float = 0.5) -> ClassifierObjective:
    data, device = task.data, torch.device("cpu")
    return ClassifierObjective(
        task.model, data.alphabet, data.train, data.held_out, 16, 0.0, 3, device, ngrams_alone=alone
    )


def test_ngrams_are_trained_alone_first(create: Create, letters: Path) -> None:
    task = create(letters, model=BAG)
    one = objective(task)
    assert (one.phase, one.last_phase_from, one.measures) == (None, 0.5, False)
    one.loss(0)[0].backward()  # type: ignore[no-untyped-call]
    model = task.model
    trained = {name for name, weight in model.named_parameters() if weight.grad is not None}
    assert trained == {"layers.0.vectors", "readout.weight", "readout.bias"}
    assert (model.readout.weight != 0).any(0).sum() == 8  # the means of two orders
    lines = one.begin_last_phase(model, 7)
    assert lines == ["step 7  n-grams are trained; from here on the whole network is"]
    assert (one.phase, one.last_phase_from) == (7, 1)
    model.zero_grad()
    one.loss(1)[0].backward()  # type: ignore[no-untyped-call]
    assert all(weight.grad is not None for weight in model.parameters() if weight.requires_grad)


def test_rate_restarts_with_the_last_phase(create: Create, letters: Path) -> None:
    task = create(letters, model=BAG)
    schedule = Schedule(0.1, steps=100, minutes=None)
    found = with_restart(schedule, objective(task, 0.25))
    assert found == replace(schedule, restart=0.25, restart_rate=ClassifierObjective.restart_rate)
    assert with_restart(schedule, objective(task, 0.25), held=True) == replace(found, held=True)
    further = replace(schedule, part=1)
    assert with_restart(further, objective(task)) == further
    assert with_restart(schedule, objective(task, 0.0)) == replace(
        schedule, restart_rate=ClassifierObjective.restart_rate
    )


def test_phase_is_state(create: Create, letters: Path) -> None:
    task = create(letters, model=BAG)
    one, other = objective(task), objective(task)
    other.restore(one.state())
    assert other.phase is None
    begun = objective(task)
    begun.begin_last_phase(task.model, 7)
    other.restore(begun.state())
    assert other.phase == 7


def test_all_ngrams_may_be_dropped(create: Create, letters: Path) -> None:
    task = create(letters, model={**BAG, "dropout": 0.0, "ngram_dropout": 1 - 1e-9})
    one = objective(task)
    loss, _ = one.loss(0)
    labels = torch.from_numpy(label_indices(task.data.train, task.data.alphabet))
    expected = cross_entropy(task.model.readout.bias.expand(16, -1), labels[one._batches.rows(0)])
    assert loss.item() == pytest.approx(expected.item(), abs=1e-6)


@pytest.mark.parametrize(
    ("model", "rows", "share"),
    [
        ({}, 100, recipe.NGRAMS_ALONE),
        ({}, 1000, 0.0),
        ({"bag": False}, 100, 0.0),
        ({"pool": False}, 100, 0.0),
        ({"ngrams": 1}, 100, recipe.NGRAMS_ALONE),
        ({"ngrams": 1, "prefix": 0}, 100, 0.0),
        ({"evidence": 3}, 100, 0.0),
    ],
)
def test_only_a_large_bag_is_trained_alone(
    model: dict[str, Any],
    rows: int,
    share: float,
    create: Create,
    letters: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recipe, "MANY_ROWS", rows)
    assert create(letters, model={**BAG, **model}).plan.ngrams_alone == share


def test_share_may_be_given(create: Create, letters: Path) -> None:
    assert create(letters, model=BAG, ngrams_alone=0.3).plan.ngrams_alone == 0.3


@pytest.mark.parametrize(("field", "value"), [("bag", False), ("pool", False), ("ngrams", 1)])
def test_share_takes_a_bag(field: str, value: object, create: Create, letters: Path) -> None:
    with pytest.raises(RunError, match="--ngrams-alone takes a readout that reads the mean"):
        create(letters, model={**BAG, field: value}, ngrams_alone=0.3)


@pytest.mark.parametrize("alone", [0.5, 0.0])
def test_processes_share_the_rows(alone: float, create: Create, letters: Path) -> None:
    """The gradients of two processes add up to that of one."""
    task = create(letters, model={**BAG, "dropout": 0.2, "ngram_dropout": 0.3})

    def gradients(share: Share) -> list[torch.Tensor]:
        one = objective(task, alone)
        one.share = share
        torch.manual_seed(0)
        task.model.zero_grad()
        one.loss(3)[0].backward()  # type: ignore[no-untyped-call]
        return [p.grad.clone() for p in task.model.parameters() if p.grad is not None]

    for whole, *parts in zip(
        *(gradients(Share(*each)) for each in ((0, 1), (0, 2), (1, 2))), strict=True
    ):
        torch.testing.assert_close(sum(parts), whole)


@pytest.mark.parametrize("step", [2, 12])
def test_run_that_is_resumed_ends_the_same(
    step: int,
    start: Callable[..., TrainingReport],
    interrupt: Callable[..., Any],
    letters: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also if it stopped while n-grams were trained alone."""
    monkeypatch.setattr(recipe, "MANY_ROWS", 100)
    monkeypatch.setattr(recipe, "NGRAMS_ALONE", 0.5)
    own: dict[str, Any] = {"model": {**BAG, "ngram_dropout": 0.3}, "epochs": 2.0}
    own["training"] = {"batch": 16, "tables": 30.0}
    lines: list[str] = []
    whole = start("classifier", letters, "whole", lines.append, **own)
    interrupt("classifier", letters, step, killed=False, **own)
    state, _ = checkpoint.load_latest(Path("run/checkpoints"))
    assert (state["task"]["last_phase"] is None) == (step == 2)
    resumed = pipeline.resume(Path("run"), log=lambda _: None)
    assert resumed.out.read_bytes() == whole.out.read_bytes()
