"""Texts that stand in a table with several labels, and how they are counted.

Each row counts alone: a prediction is right if it is the label of that row. So of a text with two
labels at most one row can be right, and no model reaches accuracy 1.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnn_train.data.split import best_possible_accuracy


@dataclass(frozen=True)
class Contradictions:
    """The texts with several labels, in the rows of an evaluation."""

    texts: int
    """Number of texts that have more than one label."""
    rows: int
    """Number of rows that have such a text."""
    best_possible_accuracy: float
    """Accuracy of a model that gives each text its most frequent label."""
    accuracy_of_any_label: float
    """Share of the rows for which one of the labels of their text was predicted."""

    @classmethod
    def of(
        cls, keys: NDArray[np.integer], truth: NDArray[np.int64], predictions: NDArray[np.int64]
    ) -> "Contradictions":
        """Counts them.

        Args:
            keys: one number for each row's text, the same for equal texts, [rows].
            truth: index of the true label of each row, [rows].
            predictions: index of the predicted label of each row, [rows].
        """
        texts, inverse = np.unique(keys, return_inverse=True)
        place = inverse.astype(np.int64)
        labels = int(max(truth.max(), predictions.max())) + 1
        pairs = np.unique(place * labels + truth)
        several = np.bincount(pairs // labels, minlength=len(texts)) > 1
        right = np.isin(place * labels + predictions, pairs)
        return cls(
            int(several.sum()),
            int(several[place].sum()),
            best_possible_accuracy(place, truth),
            float(right.mean()),
        )

    def as_text(self) -> str:
        """Returns one line."""
        return (
            f"texts with several labels: {self.texts:,} ({self.rows:,} rows; each row counts "
            f"alone); best possible accuracy: {self.best_possible_accuracy:.4f}; "
            f"{self.accuracy_of_any_label:.4f} of the rows get a label of their text"
        )
