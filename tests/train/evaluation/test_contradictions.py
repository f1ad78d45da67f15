"""Texts with several labels, counted by hand."""

import numpy as np
import pytest

from rnn_train.evaluation.contradictions import Contradictions


def test_by_hand() -> None:
    """Of text 7, two rows are A and one is B. Text 3 has one label in two rows."""
    keys, truth = np.array([7, 3, 7, 7, 3]), np.array([0, 1, 0, 1, 1])
    found = Contradictions.of(keys, truth, np.array([1, 1, 1, 1, 0]))
    assert (found.texts, found.rows) == (1, 3)
    assert found.best_possible_accuracy == pytest.approx(4 / 5)
    assert found.accuracy_of_any_label == pytest.approx(4 / 5)
    assert found.as_text().startswith(
        "texts with several labels: 1 (3 rows; each row counts alone)"
    )


def test_none() -> None:
    found = Contradictions.of(np.array([1, 2]), np.array([0, 1]), np.array([0, 0]))
    assert (found.texts, found.rows, found.best_possible_accuracy) == (0, 0, 1.0)
    assert found.accuracy_of_any_label == 0.5
