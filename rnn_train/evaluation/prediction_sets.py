"""Prediction sets of labelled rows: how often they hold the right label, and how large they are."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnn_infer.conformal.threshold import set_sizes
from rnn_train.evaluation.calibration import block_rows


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
        size = block_rows(logits.shape[-1])
        blocks = zip(torch.split(logits, size), torch.split(truth, size), strict=True)
        holds, sizes = zip(*(_sets(*block, threshold) for block in blocks), strict=True)
        return cls(np.concatenate(holds), np.concatenate(sizes))

    def of_rows(self, rows: Tensor) -> tuple[float | None, float | None]:
        """Returns coverage and mean size of some rows; None without a row.

        Args:
            rows: bool, [rows].
        """
        if not rows.any():
            return None, None
        chosen = rows.numpy()
        return float(self.holds[chosen].mean()), float(self.sizes[chosen].mean())


def _sets(
    logits: Tensor, truth: Tensor, threshold: float
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Returns whether the set of each row holds its right label, and its size, each [rows]."""
    every = torch.softmax(logits.double(), -1)
    shares, order = every.sort(dim=-1, descending=True, stable=True)
    sizes = set_sizes(shares.numpy(), threshold)
    ranks = (order == truth[:, None]).int().argmax(-1).numpy()
    return ranks < sizes, sizes
