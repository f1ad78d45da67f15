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
    truth = np.repeat([0, 1, 2, 3], [100, 8, 5, 50])
    predictions = truth.copy()
    predictions[100:103] = 2  # of label 1
    assert set(most_confused(truth, predictions, 4, 2).tolist()) == {1, 2}
    # Of the others the one with the most rows; a label without rows comes last.
    assert set(most_confused(truth, predictions, 5, 3).tolist()) == {0, 1, 2}


def test_most_confused_are_grouped_by_their_own_rows() -> None:
    """Label 4, which is not shown, is confused with 0 and 1 alike: that does not join them."""
    pairs = [(0, 3)] * 4 + [(1, 2)] * 6 + [(0, 4), (1, 4)]
    truth, predictions = map(np.array, zip(*pairs, strict=True))
    order = most_confused(truth, predictions, 5, 4).tolist()
    assert order == [1, 2, 0, 3]


def test_many_labels_take_little_memory() -> None:
    """The matrix of so many labels would have 10 billion numbers."""
    found = most_confused(np.array([7, 9]), np.array([9, 9]), 100_000, 2)
    assert set(found.tolist()) == {7, 9}
