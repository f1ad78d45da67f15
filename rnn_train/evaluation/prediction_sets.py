"""Prediction sets of labelled rows: how often they hold the right label, and how large they are."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnn_infer.conformal.threshold import set_sizes


@dataclass(frozen=True)
class PredictionSets:
    """The prediction sets of labelled rows, see `rnn_infer.conformal`."""

    holds: NDArray[np.bool_]
    """Whether each set holds the right label, [rows]."""
    sizes: NDArray[np.int64]
    """Number of labels in each set, [rows]."""

    @classmethod
    def of(cls, logits: Tensor, truth: Tensor, threshold: float) -> "PredictionSets":
        """Makes the sets.

        Args:
            logits: [rows, labels], calibrated.
            truth: index of each row's right label, [rows].
            threshold: largest score of a label in a set.
        """
        every = torch.softmax(logits.double(), -1)
        shares, order = every.sort(dim=-1, descending=True, stable=True)
        sizes = set_sizes(shares.numpy(), threshold)
        ranks = (order == truth[:, None]).int().argmax(-1).numpy()
        return cls(ranks < sizes, sizes)

    def room(self, rows: int) -> "PredictionSets":
        """Returns the sets of so many rows, to be filled."""
        return PredictionSets(np.empty(rows, self.holds.dtype), np.empty(rows, self.sizes.dtype))

    def of_rows(self, rows: Tensor) -> tuple[float | None, float | None]:
        """Returns coverage and mean size of some rows; None without a row.

        Args:
            rows: bool, [rows].
        """
        if not rows.any():
            return None, None
        chosen = rows.numpy()
        return float(self.holds[chosen].mean()), float(self.sizes[chosen].mean())
