"""Which labels of a confusion matrix are drawn, and in which order."""

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
"""Rows by true label and predicted label, [labels, labels]."""


def count_pairs(truth: NDArray[np.int64], predictions: NDArray[np.int64], labels: int) -> Counts:
    """Counts the rows of each pair of true and predicted label."""
    counts: Counts = np.bincount(truth * labels + predictions, minlength=labels**2)
    return counts.reshape(labels, labels)


def most_confused(
    truth: NDArray[np.int64], predictions: NDArray[np.int64], labels: int, most: int
) -> NDArray[np.int64]:
    """Returns the labels in the most wrong rows, grouped.

    Args:
        truth: index of each row's true label, [rows].
        predictions: index of each row's predicted label, [rows].
        labels: number of labels. Their matrix is not made: that of 10,000 labels takes 800 MB.
        most: number of labels to return.
    """
    wrong = truth != predictions
    rows, missed, mistaken = (
        np.bincount(each, minlength=labels) for each in (truth, truth[wrong], predictions[wrong])
    )
    chosen = np.sort(np.lexsort((-rows, -(missed + mistaken)))[:most])
    place = np.full(labels, -1)
    place[chosen] = np.arange(len(chosen))
    shown = (place[truth] >= 0) & (place[predictions] >= 0)
    counts = count_pairs(place[truth[shown]], place[predictions[shown]], len(chosen))
    return chosen[grouped(counts)]


def grouped(counts: Counts) -> NDArray[np.int64]:
    """Orders labels so that those that are confused with each other are neighbours.

    The two groups that are confused most are joined, again and again (average linkage).

    Returns:
        [labels]: the order. Groups of more rows come first.
    """
    wrong = counts - np.diag(np.diag(counts))
    rows = np.maximum(counts.sum(1), 1)
    near = (wrong + wrong.T) / np.sqrt(rows[:, None] * rows)
    groups = [[label] for label in range(len(counts))]
    sums = near.copy()  # summed over the pairs of labels of two groups
    while len(groups) > 1:
        sizes = np.array([len(group) for group in groups])
        means = np.triu(sums / (sizes[:, None] * sizes), 1)
        first, second = np.unravel_index(int(means.argmax()), means.shape)
        if means[first, second] == 0:
            break
        groups[first] += groups.pop(second)
        sums[first] += sums[second]
        sums[:, first] += sums[:, second]
        sums = np.delete(np.delete(sums, second, 0), second, 1)
    groups.sort(key=lambda group: -int(counts[group].sum()))
    return np.array([label for group in groups for label in group], np.int64)
