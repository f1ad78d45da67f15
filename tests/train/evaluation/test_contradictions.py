"""Texts with several labels, counted by hand."""

import numpy as np
import pytest

from rnn_train.evaluation.contradictions import Contradictions


def test_by_hand() -> None:
    """Of x, two rows are A and one is B. y has one label in two rows."""
    texts, truth = ["x", "y", "x", "x", "y"], np.array([0, 1, 0, 1, 1])
    found = Contradictions.of(texts, truth, np.array([1, 1, 1, 1, 0]))
    assert (found.texts, found.rows) == (1, 3)
    assert found.best_possible_accuracy == pytest.approx(4 / 5)
    assert found.accuracy_of_any_label == pytest.approx(4 / 5)
    assert found.as_text().startswith(
        "texts with several labels: 1 (3 rows; each row counts alone)"
    )


def test_none() -> None:
    found = Contradictions.of(["x", "y"], np.array([0, 1]), np.array([0, 0]))
    assert (found.texts, found.rows, found.best_possible_accuracy) == (0, 0, 1.0)
    assert found.accuracy_of_any_label == 0.5
