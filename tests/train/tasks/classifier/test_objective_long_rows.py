"""Rows that are longer than a window: read whole, with the state carried."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from rnn_infer.classifier import Classifier
from rnn_train import pipeline
from rnn_train.tasks.classifier import objective as module
from rnn_train.tasks.classifier.objective import ClassifierObjective
from rnn_train.tasks.classifier.task import ClassifierTask
from rnn_train.training import checkpoint
from rnn_train.training_session import TrainingReport

Start = Callable[..., TrainingReport]


@pytest.fixture(autouse=True)
def _short_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WINDOW", 16)


def row(random: np.random.Generator, label: str, fill: int) -> str:
    """A text whose second character and whose last one decide the label."""
    return "".join(["a", label[0], *random.choice(list("abcde "), fill), label[1]])


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """160 rows of 40 to 70 characters with four labels."""
    random, labels = np.random.default_rng(0), ("XV", "XW", "YV", "YW")
    lines = [
        f"{row(random, labels[i % 4], 40 + int(random.integers(30)))}\t{labels[i % 4]}\n"
        for i in range(160)
    ]
    path = tmp_path / "rows.tsv"
    path.write_text("text\tlabel\n" + "".join(lines))
    return path


def test_last_window_gives_the_logits_of_the_whole_row(
    create: Callable[..., ClassifierTask], rows: Path
) -> None:
    task = create(rows, val_fraction=0.0)
    task.model.eval()
    one = ClassifierObjective(
        task.model,
        task.data.alphabet,
        task.data.train,
        task.data.held_out,
        batch=16,
        character_dropout=0.0,
        seed=3,
        device=torch.device("cpu"),
        balance=0.5,
    )
    ended = 0
    for step in range(one.batches):
        chosen, number = one._batches.at(step)
        assert (number > 0) == bool(one.state()), "the state is kept while a batch goes on"
        loss, texts = one.loss(step)
        ended += texts
        last = -(-one._reader.lengths[chosen] // 16) == number + 1
        assert texts == np.count_nonzero(last)
        if texts == len(chosen):
            with torch.no_grad():
                labels = torch.from_numpy(one._labels[chosen])
                logits = one.model.last(*one._reader.read(chosen), labels) + one._shift
            assert loss.item() == pytest.approx(cross_entropy(logits, labels).item(), abs=1e-5)
    assert ended == 160, "each row ends once an epoch"


def test_begin_and_end_of_a_row_decide_together(start: Start, rows: Path) -> None:
    """No window holds both. Pieces at random places, without a state, reach 0.4 here."""
    shape = {"hidden": 16, "embedding": 8, "ngrams": 1, "evidence": 1, "dropout": 0.0}
    training = {"batch": 16, "learning_rate": 0.02}
    report = start("classifier", rows, epochs=10.0, model=shape, training=training)
    random, model = np.random.default_rng(1), Classifier.load(report.out)
    texts = [row(random, label, 60) for label in ("XV", "XW", "YV", "YW") for _ in range(10)]
    expected = [text[1] + text[-1] for text in texts]
    found = [each.label for each in model.classify(texts)]
    assert np.mean([ours == right for ours, right in zip(found, expected, strict=True)]) > 0.9


def test_run_that_is_resumed_inside_a_row_ends_the_same(
    start: Start, interrupt: Callable[..., Any], rows: Path
) -> None:
    own: dict[str, Any] = {"training": {"batch": 32}}
    whole = start("classifier", rows, "whole", **own)
    interrupt("classifier", rows, 7, killed=False, **own)
    state, _ = checkpoint.load_latest(Path("run/checkpoints"))
    assert state["task"]["carried"], "the run stopped between two windows"
    resumed = pipeline.resume(Path("run"), log=lambda _: None)
    assert resumed.out.read_bytes() == whole.out.read_bytes()


def test_warning(create: Callable[..., ClassifierTask], rows: Path) -> None:
    warnings = [each for each in create(rows).warnings if "windows" in each]
    assert len(warnings) == 1
    assert "144 rows are longer than 16 characters" in warnings[0]
    assert "--max-length" in warnings[0]
