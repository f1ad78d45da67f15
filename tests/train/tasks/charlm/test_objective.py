"""The character model's objective: the next character, and the soft targets."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from rnn_train.data.streams import ArrayRing
from rnn_train.distillation.teachers import open_soft_targets
from rnn_train.evaluation.language_model import held_out_loss
from rnn_train.models.charlm import CharLSTM
from rnn_train.tasks.charlm import objective as module
from rnn_train.tasks.charlm.objective import CharLMObjective
from rnn_train.tasks.charlm.task import CharLMTask
from rnn_train.training.run import Run
from rnn_train.training_session import TrainingReport

CPU = torch.device("cpu")
Create = Callable[..., CharLMTask]


@pytest.fixture
def undropped(create: Create, story: Path) -> CharLMTask:
    """A task without dropout, so that a loss can be computed twice."""
    return create(story, model={"hidden": 8, "embedding": 4, "dropout_output": 0.0})


def test_state_is_carried_from_window_to_window(undropped: CharLMTask) -> None:
    objective, model = undropped.objective(CPU), undropped.model
    windows = [torch.from_numpy(undropped._streams.window(step)[0]).long() for step in range(2)]
    losses = [objective.loss(step) for step in range(2)]
    with torch.no_grad():
        state = model.zeros(len(windows[0]))
        for tokens, (loss, size) in zip(windows, losses, strict=True):
            logits, state = model(tokens[:, :-1], state)
            expected = cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
            assert loss.item() == pytest.approx(expected.item(), abs=1e-5)
            assert size == tokens[:, 1:].numel()
    assert not any(each.requires_grad for each in objective._state)


def test_state_starts_from_zero_in_each_epoch(undropped: CharLMTask) -> None:
    objective, first = undropped.objective(CPU), undropped.steps_per_epoch
    objective.loss(first - 1)
    after_another, _ = objective.loss(first)
    alone, _ = undropped.objective(CPU).loss(first)
    assert after_another.item() == alone.item()


def test_carried_state_is_restored(undropped: CharLMTask) -> None:
    objective, again = undropped.objective(CPU), undropped.objective(CPU)
    objective.loss(0)
    again.restore(objective.state())
    expected, _ = objective.loss(1)
    assert again.loss(1)[0].item() == expected.item()
    assert undropped.objective(CPU).loss(1)[0].item() != expected.item()


def test_validation_reads_the_start_of_the_held_out_text(
    undropped: CharLMTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = undropped.model.eval()
    found = undropped.objective(CPU).validate(model)
    assert len(found["sample"]) == module.SAMPLE_LENGTH
    assert set(found["sample"]) <= set(undropped.data.corpus.vocabulary)
    monkeypatch.setattr(module, "_VALIDATION_CHARACTERS", 50)
    assert undropped.objective(CPU).validate(model)["val_loss"] != found["val_loss"]


def test_muon_trains_the_matrices_of_the_lstm(undropped: CharLMTask) -> None:
    names = {id(p): name for name, p in undropped.model.named_parameters()}
    gates = [names[id(p)] for p in undropped.objective(CPU).gates]
    assert len(gates) == 2
    assert all("weight" in name for name in gates)
    assert isinstance(undropped.model, CharLSTM)


@pytest.mark.parametrize("weight", [0.0, 0.25, 1.0])
def test_soft_targets_are_weighted(
    run: Run, create: Create, finished: TrainingReport, story: Path, weight: float
) -> None:
    task = create(story, teachers=(finished.out,), model={"dropout_output": 0.0})
    task.prepare(CPU, lambda _: None)
    objective = task.objective(CPU)
    objective._teacher_weight = weight
    loss, _ = objective.loss(5)
    streams = task._streams
    tokens = torch.from_numpy(streams.window(5)[0]).long()
    places = torch.from_numpy(streams.aligned(ArrayRing(np.arange(len(task.data.train))), 5))
    assert np.array_equal(task.data.train[places], tokens[:, :-1])
    mapped = open_soft_targets(run.folder / "answers.bin", len(task.data.corpus.vocabulary))
    # The file has all of the text, with the held-out pieces that these windows leave out.
    rows = streams.aligned(task.data.ring(ArrayRing(np.arange(len(mapped)))), 5)
    targets = torch.from_numpy(np.array(mapped[rows])).float()
    with torch.no_grad():
        logits, _ = task.model(tokens[:, :-1], task.model.zeros(len(tokens)))
    hard = cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
    soft = -(targets * torch.log_softmax(logits, -1)).sum(-1).mean()
    assert loss.item() == pytest.approx((weight * soft + (1 - weight) * hard).item(), abs=1e-4)


def test_each_document_is_read_from_the_zero_state(create: Create, tmp_path: Path) -> None:
    """The loss of an epoch is the mean loss of documents that are read alone."""
    names = tmp_path / "names.txt"
    lengths = (3, 5, 20, 11, 4, 7)
    names.write_text("".join(f"{'abcdef'[i % 6]}" * lengths[i % 6] + "\n" for i in range(150)))
    task = create(
        names,
        documents="line",
        val_fraction=0.0,
        model={"hidden": 8, "embedding": 4, "dropout_output": 0.0},
    )
    assert (task.plan.training.window, task.plan.training.batch) == (21, 48)
    objective, total, characters = task.objective(CPU), 0.0, 0
    for step in range(task.steps_per_epoch):
        loss, size = objective.loss(step)
        total, characters = total + loss.item() * size, characters + size
    assert characters == len(task.data.corpus.tokens) - 1
    expected = held_out_loss(task.model, task.data.corpus.tokens, mark=task.data.mark)
    assert total / characters == pytest.approx(expected, abs=0.002)
    assert held_out_loss(task.model, task.data.corpus.tokens) != pytest.approx(expected, abs=0.005)


def test_soft_targets_of_documents_are_those_of_their_characters(
    create: Create, story: Path
) -> None:
    """Targets that put all weight on the true next character give the loss of the labels."""
    options: dict[str, Any] = {"documents": "line", "val_fraction": 0.0}
    task = create(story, model={"hidden": 8, "embedding": 4, "dropout_output": 0.0}, **options)
    tokens, plan, data = task.data.corpus.tokens, task.plan, task.data
    certain = np.zeros((len(tokens), len(plan.vocabulary)), np.float16)
    certain[np.arange(len(tokens) - 1), tokens[1:]] = 1
    objectives = [
        CharLMObjective(
            task.model,
            data.streams(plan.training, 0),
            data.held_out,
            data.corpus.vocabulary,
            data.start,
            CPU,
            soft,
            1.0,
            mark=data.mark,
        )
        for soft in (None, ArrayRing(certain))
    ]
    for step in range(task.steps_per_epoch + 2):
        own, soft = (each.loss(step) for each in objectives)
        assert soft[0].item() == pytest.approx(own[0].item(), rel=1e-5)
        assert soft[1] == own[1]
