"""Counting of n-grams: all rows at once, or in pieces."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from rnn_train.models.classifier import RecurrentClassifier
from rnn_train.models.ngrams import NGramCell
from rnn_train.tasks.classifier import evidence
from rnn_train.tasks.classifier.task import ClassifierTask

SHAPE = {"hidden": 8, "embedding": 4, "ngrams": 2, "evidence": 3, "ngram_rows": 50}


def counted(task: ClassifierTask) -> torch.Tensor:
    torch.manual_seed(0)
    model = RecurrentClassifier(task.plan.model)
    evidence.count_evidence(model, task.data.alphabet, task.data.train)
    (ngrams,) = (each for each in model.cells() if isinstance(each, NGramCell))
    return ngrams.evidence.detach()


@pytest.mark.parametrize("codes", [1, 3, 100])
def test_pieces_of_rows_count_as_the_rows(
    codes: int,
    create: Callable[..., ClassifierTask],
    letters: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    task = create(letters, model=SHAPE)
    whole = counted(task)
    assert whole.any()
    monkeypatch.setattr(evidence, "_COUNTED", codes)
    torch.testing.assert_close(counted(task), whole)


def test_without_evidence_nothing_is_counted(
    create: Callable[..., ClassifierTask], letters: Path
) -> None:
    assert not counted(create(letters, model={**SHAPE, "evidence": 1})).numel()


@pytest.mark.parametrize("codes", [1, 3, 100])
def test_frequent_ngrams_of_pieces_of_rows(
    codes: int,
    create: Callable[..., ClassifierTask],
    letters: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shape = {**SHAPE, "ngram_rows": 512, "evidence": 1, "prefix": 4, "frequent_ngrams": 5}
    task = create(letters, model=shape)

    def chosen() -> torch.Tensor:
        model = RecurrentClassifier(task.plan.model)
        evidence.choose_ngrams(model, task.data.alphabet, task.data.train)
        (ngrams,) = (each for each in model.cells() if isinstance(each, NGramCell))
        return ngrams.row_of

    whole = chosen()
    assert sorted(set(whole.tolist())) == list(range(6))
    monkeypatch.setattr(evidence, "_COUNTED", codes)
    assert torch.equal(chosen(), whole)


def test_frequent_ngrams_of_a_part_of_the_rows(
    create: Callable[..., ClassifierTask], letters: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = create(letters, model={**SHAPE, "evidence": 1, "ngram_rows": 512})
    read: list[int] = []
    monkeypatch.setattr(evidence, "_MOST_CHARACTERS", int(task.data.train.lengths.sum()) // 2)
    shape = dataclasses.replace(task.plan.model, frequent_ngrams=5)
    model = RecurrentClassifier(shape)
    monkeypatch.setattr(
        model, "choose_ngrams", lambda texts, _: read.extend(len(each.labels) for each in texts)
    )
    evidence.choose_ngrams(model, task.data.alphabet, task.data.train)
    assert 0.3 * len(task.data.train) < sum(read) < 0.7 * len(task.data.train)
