"""Predictions: the ranking of labels, priors, and abstention."""

from typing import Any

import numpy as np
import pytest

from rnn_infer import LabelProbability, OptionError
from rnn_infer.predictions import Choice, make_predictions, rank, with_noise

LOGITS = np.log(np.array([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]], np.float32))
FLAT = np.zeros(3, np.float32)


def test_most_likely_label_is_first() -> None:
    order, probabilities = rank(LOGITS, FLAT, Choice(top=2))
    assert order.tolist() == [[1, 2], [0, 2]]
    np.testing.assert_allclose(probabilities, [[0.5, 0.3], [0.6, 0.3]], atol=1e-6)


def test_equal_labels_keep_their_order() -> None:
    order, _ = rank(np.zeros((1, 3), np.float32), FLAT, Choice(top=3))
    assert order.tolist() == [[0, 1, 2]]


@pytest.mark.parametrize("labels", [1, 3, 18, 40])
def test_any_number_of_labels_is_ranked_as_sorted(labels: int) -> None:
    """Also equal probabilities, of which the first label comes first, and zeros."""
    random = np.random.default_rng(labels)
    logits = random.integers(-2, 2, (50, labels)).astype(np.float32)
    logits[0] = [200.0] + [-200.0] * (labels - 1)
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    shares = weights / weights.sum(-1, keepdims=True)
    sorted_ = np.argsort(-shares, -1, kind="stable")
    for top in (1, 2, labels // 4, labels // 4 + 1, labels, labels + 5):
        if top:
            order, found = rank(logits, np.zeros(labels, np.float32), Choice(top=top))
            np.testing.assert_array_equal(order, sorted_[:, :top])
            np.testing.assert_array_equal(found, np.take_along_axis(shares, order, -1))


def test_ranking_leaves_the_logits() -> None:
    logits = np.arange(12, dtype=np.float32).reshape(1, 12)
    rank(logits, np.zeros(12, np.float32), Choice(top=2))
    assert logits.tolist() == [list(range(12))]


def test_prior_divides_by_the_frequencies() -> None:
    log_prior = np.log(np.array([0.25, 0.5, 0.25], np.float32))
    _, probabilities = rank(LOGITS[:1], log_prior, Choice(top=3, prior=1.0))
    weights = np.array([0.3 / 0.25, 0.5 / 0.5, 0.2 / 0.25])
    np.testing.assert_allclose(probabilities[0], weights / weights.sum(), atol=1e-6)


def test_logits_that_are_no_numbers() -> None:
    for value in (np.nan, np.inf, -np.inf):
        _, probabilities = rank(np.full((1, 3), value, np.float32), FLAT, Choice())
        assert np.isnan(probabilities).all()


def test_predictions() -> None:
    labels = np.array([["b", "c"], ["a", "c"]], object)
    probabilities = np.array([[0.5, 0.25], [0.75, 0.125]], np.float32)
    choice, known = Choice(min_probability=0.6), np.array([0.5, 1.0])
    first, second = make_predictions(["x", "y"], labels, probabilities, choice, known)
    assert (first.known, second.known) == (0.5, 1.0)
    assert (first.text, first.label, first.abstains) == ("x", None, True)
    assert (second.text, second.label, second.probability) == ("y", "a", 0.75)
    assert second.top == (LabelProbability("a", 0.75), LabelProbability("c", 0.125))
    assert make_predictions([], labels[:0], probabilities[:0], Choice(), known[:0]) == []
    texts, sizes = ["x", "y"], np.array([2, 1])
    cut = make_predictions(texts, labels, probabilities, choice, known, sizes)
    assert [each.labels for each in cut] == [("b", "c"), ("a",)]
    assert [each.probabilities for each in cut] == [(0.5, 0.25), (0.75,)]


@pytest.mark.parametrize(
    "fields",
    [
        {"coverage": 0.0},
        {"coverage": 1.0},
        {"coverage": float("nan")},
        {"coverage": "0.9"},
        {"coverage": True},
        {"coverage": 0.9, "prior": 0.5},
        {"top": 0},
        {"prior": 1.5},
        {"prior": float("nan")},
        {"min_probability": -0.1},
    ],
)
def test_choice_out_of_range(fields: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=next(iter(fields))):
        Choice(**fields)


def test_noise_is_a_part_of_the_probabilities() -> None:
    noise = np.array([0.05, 0.0, 0.15], np.float32)
    logits = LOGITS.copy()
    _, found = rank(with_noise(logits, noise), FLAT, Choice(top=3))
    expected = 0.8 * np.array([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]]) + noise
    np.testing.assert_allclose(found, -np.sort(-expected, -1), atol=1e-6)
    np.testing.assert_array_equal(logits, LOGITS, "the logits stay as they were")


def test_noise_of_a_sure_answer() -> None:
    """A label without noise and with a probability of 0 has a finite logit."""
    found = with_noise(np.array([[200.0, -200.0]], np.float32), np.array([0.1, 0.0], np.float32))
    assert np.isfinite(found).all()
    np.testing.assert_allclose(np.exp(found), [[1.0, 0.0]], atol=1e-6)
    assert np.isnan(with_noise(np.full((1, 2), np.nan, np.float32), np.zeros(2, np.float32))).all()


def test_texts_with_the_same_labels_share_them() -> None:
    """It saves memory in a large table."""
    labels, known = np.array([["a", "b"], ["b", "a"], ["a", "b"]], object), np.ones(3)
    found = make_predictions(["x", "y", "z"], labels, np.ones((3, 2), np.float32), Choice(), known)
    assert [each.labels for each in found] == [("a", "b"), ("b", "a"), ("a", "b")]
    assert found[0].labels is found[2].labels
