"""The labels that a confusion matrix shows, and their order."""

import numpy as np

from rnn_train.evaluation.confusion_groups import count_pairs, grouped, most_confused


def test_pairs() -> None:
    counts = count_pairs(np.array([0, 0, 2]), np.array([1, 1, 2]), 3)
    assert counts.tolist() == [[0, 2, 0], [0, 0, 0], [0, 0, 1]]


def test_confused_labels_stand_together() -> None:
    """0 and 3 are confused with each other, and so are 1 and 2."""
    counts = np.diag([10, 20, 20, 10])
    counts[0, 3] = counts[3, 0] = 4
    counts[1, 2] = 4
    order = grouped(counts).tolist()
    assert sorted(order) == [0, 1, 2, 3]
    assert [set(order[:2]), set(order[2:])] == [{1, 2}, {0, 3}]


def test_without_confusion() -> None:
    assert grouped(np.diag([1, 3, 2])).tolist() == [1, 2, 0]


def test_most_confused() -> None:
    counts = np.diag([100, 5, 5, 50])
    counts[1, 2] = 3
    assert set(most_confused(counts, 2).tolist()) == {1, 2}
