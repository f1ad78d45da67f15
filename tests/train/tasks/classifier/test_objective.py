"""The classifier's objective: the label after the last character, or the soft targets."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from rnn_train import training_session
from rnn_train.data.alphabet import Alphabet, label_indices, pad
from rnn_train.evaluation.classification import logits_of
from rnn_train.tasks.classifier import objective as module
from rnn_train.tasks.classifier.objective import ClassifierObjective
from rnn_train.tasks.classifier.task import ClassifierTask
from rnn_train.training.loop import Trainer
from rnn_train.training_session import TrainingReport

CPU = torch.device("cpu")
Create = Callable[..., ClassifierTask]
Train = Callable[..., TrainingReport]


@pytest.fixture
def task(create: Create, letters: Path) -> ClassifierTask:
    """An untrained model without dropout."""
    task = create(letters, val_fraction=0.3)
    task.model.eval()
    return task


def objective(task: ClassifierTask, **more: Any) -> ClassifierObjective:
    data = task.data
    options: dict[str, Any] = {"batch": 16, "character_dropout": 0.0, "seed": 3, **more}
    return ClassifierObjective(
        task.model, data.alphabet, data.train, data.held_out, device=CPU, **options
    )


def test_each_row_is_read_once_an_epoch(task: ClassifierTask) -> None:
    one = objective(task)
    epochs = [
        np.concatenate([one._batches.rows(epoch * one.batches + i) for i in range(one.batches)])
        for epoch in (0, 1)
    ]
    for rows in epochs:
        assert sorted(rows) == list(range(len(task.data.train)))
    assert not np.array_equal(epochs[0], epochs[1])
    sizes = [one.loss(step)[1] for step in range(one.batches)]
    assert sum(sizes) == len(task.data.train)
    assert max(sizes) == 16


def test_batches_follow_from_seed_and_step(task: ClassifierTask) -> None:
    """So a resumed run needs no state."""
    first, again, other = objective(task), objective(task), objective(task, seed=4)
    assert first.state() == {}
    for step in range(first.batches + 2):
        expected, _ = first.loss(step)
    assert again.loss(first.batches + 1)[0].item() == expected.item()
    assert other.loss(first.batches + 1)[0].item() != expected.item()


def test_loss_is_cross_entropy_of_the_labels(task: ClassifierTask) -> None:
    one = objective(task, balance=0.5)
    loss, _ = one.loss(0)
    chosen, data = one._batches.rows(0), task.data
    tokens, lengths = pad([data.alphabet.encode(data.train.texts)[i] for i in chosen], CPU)
    labels = torch.from_numpy(label_indices(data.train, data.alphabet)[chosen])
    with torch.no_grad():
        logits = task.model.last(tokens, lengths, labels)
    shift = 0.5 * torch.tensor(data.alphabet.log_prior(data.train))
    assert loss.item() == pytest.approx(cross_entropy(logits + shift, labels).item(), abs=1e-6)


def test_gradient_of_a_batch_weighs_as_its_rows_do(
    task: ClassifierTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long rows come in batches of few rows, and must not count more for it."""
    monkeypatch.setattr(module, "BATCH_TOKENS", 40)
    one = objective(task)
    weight = one._batches.weight(len(one._batches.rows(0)))
    assert weight != 1
    (loss, _), (whole, _) = one.loss(0), one._mean_loss(0)
    assert loss.item() == pytest.approx(whole.item())
    bias = task.model.readout.bias
    found, expected = (torch.autograd.grad(each, bias)[0] for each in (loss, whole))
    assert torch.allclose(found, weight * expected, atol=1e-6)


def test_characters_are_dropped(task: ClassifierTask) -> None:
    """With all characters unknown, texts of one length look the same."""
    one = objective(task, character_dropout=1.0)
    loss, size = one.loss(0)
    unknown = "\N{SNOWMAN}" * 6
    logits = logits_of(task.model, task.data.alphabet, [unknown] * size)
    assert loss.item() != objective(task).loss(0)[0].item()
    assert torch.allclose(logits, logits[0].expand_as(logits))


def test_validation(task: ClassifierTask) -> None:
    found = objective(task).validate(task.model)
    data = task.data
    logits = logits_of(task.model, data.alphabet, data.held_out.texts)
    labels = torch.from_numpy(label_indices(data.held_out, data.alphabet))
    assert found["val_loss"] == pytest.approx(cross_entropy(logits, labels).item(), abs=1e-5)
    assert found["val_accuracy"] == pytest.approx((logits.argmax(-1) == labels).float().mean())


def test_nothing_is_held_out(create: Create, letters: Path) -> None:
    task = create(letters, val_fraction=0.0)
    assert objective(task).validate(task.model.eval()) == {}


def test_balance_favours_the_rare_label(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A balance makes "b" more probable, which a third of the rows have. A `prior` of 1 means
    equally frequent labels for every file."""
    exported: list[tuple[Any, Any]] = []
    monkeypatch.setattr(
        training_session, "export", lambda model, card, _: exported.append((model, card))
    )
    for balance in (0.0, 0.8):
        train(tmp_path / f"run{balance}", balance=balance, epochs=3)
    rare = [
        torch.softmax(logits_of(model, Alphabet(card.vocabulary, card.labels), ["ambncozp"]), -1)
        for model, card in exported
    ]
    probabilities = [float(each[0, 1]) for each in rare]
    log_priors = [card.log_prior for _, card in exported]
    assert probabilities[1] > probabilities[0]
    assert log_priors[1] == pytest.approx([0.2 * each for each in log_priors[0]])
    assert np.exp(log_priors[0]).sum() == pytest.approx(1)


@pytest.mark.usefixtures("no_export")
@pytest.mark.parametrize(("hidden", "expected"), [(255, torch.float32), (256, torch.bfloat16)])
def test_wide_layers_learn_in_bfloat16(
    train: Train,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    hidden: int,
    expected: torch.dtype,
) -> None:
    """The processor claims to have bfloat16; it may be emulated here."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    precisions: list[torch.dtype] = []

    class Observed(Trainer):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            precisions.append(self.learner.precision)

    monkeypatch.setattr(training_session, "Trainer", Observed)
    shape = {"hidden": hidden, "embedding": 8}
    report = train(tmp_path / "run", epochs=8, model=shape)
    assert precisions == [expected]
    assert report.metrics["accuracy"] > 0.8
