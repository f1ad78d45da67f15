"""Logits of a classifier on rows."""

import pytest
import torch

from rnn_train.data.alphabet import Alphabet, pad
from rnn_train.data.rows import Rows
from rnn_train.evaluation import classification
from rnn_train.evaluation.classification import held_out_logits, logits_of
from rnn_train.models.classifier import ClassifierConfig, RecurrentClassifier

TEXTS = ("abc", "b", "cabcab", "ca", "abcabcabc", "a")
LABELS = ("x", "y", "x", "z", "z", "y")
ROWS = Rows(TEXTS, LABELS)
ALPHABET = Alphabet.of(ROWS)


@pytest.fixture
def model() -> RecurrentClassifier:
    config = ClassifierConfig(
        vocabulary=len(ALPHABET.vocabulary), labels=3, embedding=4, hidden=6, pool=False
    )
    return RecurrentClassifier(config).eval()


@pytest.mark.parametrize("batch", [1, 4, 100])
def test_logits_keep_the_order_of_the_texts(
    model: RecurrentClassifier, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classification, "_BATCH", batch)
    found = logits_of(model, ALPHABET, TEXTS)
    assert found.shape == (6, 3)
    for text, row in zip(TEXTS, found, strict=True):
        alone = model.last(*pad(ALPHABET.encode([text]), torch.device("cpu")))
        torch.testing.assert_close(row, alone[0].detach(), rtol=1e-5, atol=1e-6)


def test_held_out_logits_come_with_label_indices(model: RecurrentClassifier) -> None:
    logits, labels = held_out_logits(model, ALPHABET, ROWS)
    assert torch.equal(logits, logits_of(model, ALPHABET, TEXTS))
    assert labels.tolist() == [0, 1, 0, 2, 2, 1]
