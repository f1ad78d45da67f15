"""Metrics of a classifier.

Most functions take `logits` [rows, labels] and `labels`, the index of each row's true label [rows].
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from rnn_train.evaluation.calibration import fit_calibration

BINS = 15
"""Number of bins of equal width, for calibration."""
_BLOCK = 1 << 16
"""Rows whose probabilities are in memory at once."""
_CONFUSIONS = 50
"""Confusions in the list of the most frequent ones."""
PRIORS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0)
"""Values of the option `prior` that `by_prior` tries."""


class Confusion(TypedDict):
    """Rows of one label for which another one was predicted."""

    true: str
    predicted: str
    rows: int


def summary(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Returns accuracy, macro-F1, weighted F1, top-3 and top-5 accuracy, nats per text and expected
    calibration error."""
    ranks = _ranks(logits, labels)
    return {
        "accuracy": accuracy(logits, labels),
        "macro_f1": macro_f1(logits, labels),
        "weighted_f1": weighted_f1(logits, labels),
        "top_3_accuracy": _share(ranks < 3),
        "top_5_accuracy": _share(ranks < 5),
        "nats_per_text": float(cross_entropy(logits, labels, reduction="none").double().mean()),
        "calibration_error": reliability(logits, labels).error,
    }


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Returns the share of correct predictions."""
    return _share(logits.argmax(-1) == labels)


def macro_f1(logits: Tensor, labels: Tensor) -> float:
    """Returns the mean F1 of all labels that occur as a true label or as a prediction."""
    f1, occurs, _ = _f1(logits, labels)
    return float(f1[occurs].mean())


def weighted_f1(logits: Tensor, labels: Tensor) -> float:
    """Returns the mean F1 of all labels, each weighted by its share of the rows."""
    f1, _, rows = _f1(logits, labels)
    return float((f1 * rows).sum() / rows.sum())


def _share(rows: Tensor) -> float:
    """Returns the share of rows that are True, in float64: a million rows need more digits than
    float32 has."""
    return float(rows.double().mean())


def _ranks(logits: Tensor, labels: Tensor) -> Tensor:
    """Returns how many labels come before the true one, [rows].

    Of equal logits the first label comes first, as in `argmax` and in `rnn_infer`; `topk` has no
    such rule.
    """
    places, found = torch.arange(logits.shape[-1]), []
    for block, label in zip(torch.split(logits, _BLOCK), torch.split(labels, _BLOCK), strict=True):
        own = block.gather(-1, label[:, None])
        behind = (block < own) | ((block == own) & (places >= label[:, None]))
        found.append(len(places) - behind.sum(-1))
    return torch.cat(found)


def _f1(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Returns for each label its F1, whether it occurs at all, and its rows, each [labels]."""
    predicted, count = logits.argmax(-1), logits.shape[-1]
    rows = torch.bincount(labels, minlength=count)
    both = rows + torch.bincount(predicted, minlength=count)
    right = torch.bincount(labels[predicted == labels], minlength=count)
    return 2.0 * right.double() / both.clamp(min=1), both > 0, rows


def by_label(logits: Tensor, labels: Tensor, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Returns precision, recall, F1 and the number of rows of each label, by its name."""
    from sklearn.metrics import precision_recall_fscore_support

    columns = precision_recall_fscore_support(
        labels, logits.argmax(-1), labels=range(len(names)), zero_division=0
    )
    keys = ("precision", "recall", "f1", "rows")
    return {
        name: {key: float(value) for key, value in zip(keys, row, strict=True)}
        for name, row in zip(names, zip(*columns, strict=True), strict=True)
    }


def confusions(logits: Tensor, labels: Tensor, names: Sequence[str]) -> list[Confusion]:
    """Returns the most frequent confusions: true label, predicted label and number of rows."""
    predicted = logits.argmax(-1)
    wrong = predicted != labels
    codes = (labels[wrong] * len(names) + predicted[wrong]).numpy()
    pairs, rows = np.unique(codes, return_counts=True)
    order = np.argsort(-rows, kind="stable")[:_CONFUSIONS]
    return [
        {"true": names[pair // len(names)], "predicted": names[pair % len(names)], "rows": count}
        for pair, count in zip(pairs[order].tolist(), rows[order].tolist(), strict=True)
    ]


def by_prior(
    logits: Tensor, labels: Tensor, log_prior: Sequence[float]
) -> dict[float, dict[str, float]]:
    """Computes accuracy and macro-F1 for several values of `prior`, an option of `classify`.

    Args:
        logits: [rows, labels].
        labels: [rows].
        log_prior: log of each label's share of the training rows, [labels].

    Returns:
        Accuracy and macro-F1, by the value of `prior`.
    """
    shift = torch.tensor(log_prior)
    found = {}
    for prior in PRIORS:
        adjusted = logits - prior * shift
        found[prior] = {
            "accuracy": accuracy(adjusted, labels),
            "macro_f1": macro_f1(adjusted, labels),
        }
    return found


def calibrated(logits: Tensor, labels: Tensor, log_shares: tuple[float, ...]) -> Tensor:
    """Calibrates each half of the rows by what is fitted to the other half.

    In this way no row influences the calibration of its own logits.

    Args:
        logits: [rows, labels].
        labels: [rows].
        log_shares: log of the frequency of each label in the training rows, [labels].

    Returns:
        Logits, [rows, labels].
    """
    even = torch.arange(len(labels)) % 2 == 0
    if len(labels) < 2:
        return logits
    result = torch.empty_like(logits)
    for half in (even, ~even):
        fitted, _ = fit_calibration(logits[~half], labels[~half], log_shares)
        result[half] = fitted.apply(logits[half])
    return result


@dataclass(frozen=True)
class Reliability:
    """Predictions in `BINS` bins of equal width, by their probability."""

    confidence: NDArray[np.float64]
    """Mean probability of the predictions in each bin, [BINS]; NaN if the bin is empty."""
    accuracy: NDArray[np.float64]
    """Share of correct predictions in each bin, [BINS]; NaN if the bin is empty."""
    share: NDArray[np.float64]
    """Share of all rows that is in each bin, [BINS]."""

    @property
    def error(self) -> float:
        """Expected calibration error: mean over all rows of |confidence - accuracy| of the bin."""
        return float(np.nansum(self.share * np.abs(self.confidence - self.accuracy)))


def reliability(logits: Tensor, labels: Tensor) -> Reliability:
    """Sorts predictions into bins by their probability."""
    # In blocks: all probabilities in float64 are twice as large as the logits.
    shares = [torch.softmax(block.double(), -1).max(-1) for block in torch.split(logits, _BLOCK)]
    probability, prediction = (torch.cat(each) for each in zip(*shares, strict=True))
    correct = (prediction == labels).double()
    bin_index = (probability * BINS).long().clamp(max=BINS - 1)
    count, confidence, hits = (
        torch.zeros(BINS, dtype=torch.double).scatter_add_(0, bin_index, each).numpy()
        for each in (torch.ones_like(correct), probability, correct)
    )
    with np.errstate(invalid="ignore"):
        return Reliability(confidence / count, hits / count, count / len(labels))
