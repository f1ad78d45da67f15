"""Baselines: linear n-gram models."""

import numpy as np
import pytest
import torch

from rnn_train.data.alphabet import Alphabet, label_indices
from rnn_train.data.rows import Rows
from rnn_train.evaluation import baselines
from rnn_train.evaluation.baselines import fit_baselines, too_large


def rows(labels: str, count: int, seed: int, words: bool = False) -> Rows:
    """Random texts. Label "a" has the letters a, b, c; label "b" has d, e, f; and so on."""
    random = np.random.default_rng(seed)
    texts, given = [], []
    for index in range(count):
        label = labels[index % len(labels)]
        letters = [chr(ord("a") + 3 * labels.index(label) + i) for i in random.integers(3, size=6)]
        texts.append(" ".join(3 * each for each in letters * 9) if words else "".join(letters))
        given.append(label)
    return Rows(tuple(texts), tuple(given))


@pytest.mark.parametrize("labels", ["ab", "abcd"])
@pytest.mark.parametrize("words", [False, True])
def test_baselines_learn(labels: str, words: bool) -> None:
    train, held = rows(labels, 60, 0, words), rows(labels, 40, 1, words)
    alphabet = Alphabet.of(train)
    found = fit_baselines(train, alphabet, seed=0)
    truth = torch.from_numpy(label_indices(held, alphabet))
    assert [each.name.split(",")[0] for each in found] == ["naive Bayes", "linear SVM"]
    for each in found:
        scores = each.scores(held.texts)
        assert scores.shape == (40, len(labels))
        assert (each.predictions(held.texts) == truth).all()
        assert ("word" in each.name) == words


def test_label_outside_the_sample_is_never_predicted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "MAX_ROWS", 30)
    train = rows("ab", 500, 0).plus(Rows(("zzz",), ("rare",)))
    held = rows("ab", 20, 1).plus(Rows(("zzz",), ("rare",)))
    alphabet = Alphabet.of(train)
    for each in fit_baselines(train, alphabet, seed=0):
        scores = each.scores(held.texts)
        assert scores.shape == (21, 3)
        assert (scores[:, 2] == -torch.inf).all()
        assert (scores[:20].argmax(-1) < 2).all()


def test_same_seed_gives_the_same_scores() -> None:
    train, held = rows("abc", 60, 0), rows("abc", 12, 1)
    one, other = (fit_baselines(train, Alphabet.of(train), seed=3) for _ in range(2))
    for a, b in zip(one, other, strict=True):
        assert torch.equal(a.scores(held.texts), b.scores(held.texts))


def test_large_tables() -> None:
    assert not too_large(100_000, 60)
    assert too_large(100_001, 2)
    assert too_large(1_000, 61)
