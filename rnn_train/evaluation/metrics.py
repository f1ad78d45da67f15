"""Metrics of a classifier.

Most functions take `logits` [rows, labels] and `labels`, the index of each row's true label [rows].
They look at a block of rows at a time, so they need little memory besides the logits.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from rnn_train.evaluation.calibration import Calibration, block_rows, fit_calibration

BINS = 15
"""Number of bins of equal width, for calibration."""
_CONFUSIONS = 50
"""Confusions in the list of the most frequent ones."""
PRIORS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0)
"""Values of the option `prior` that `by_prior` tries."""


class Confusion(TypedDict):
    """Rows of one label for which another one was predicted."""

    true: str
    predicted: str
    rows: int


@dataclass(frozen=True)
class CalibratedHalves:
    """Logits, calibrated when they are asked for: each half of the rows by what is fitted to the
    other half. So no row influences the calibration of its own logits."""

    logits: Tensor
    """[rows, labels]."""
    halves: tuple[Calibration, Calibration]
    """Of the rows with an even place, and of those with an odd one."""

    @classmethod
    def of(
        cls, logits: Tensor, labels: Tensor, log_shares: tuple[float, ...]
    ) -> "CalibratedHalves":
        """Fits the calibration of each half.

        Args:
            logits: [rows, labels].
            labels: index of each row's true label, [rows].
            log_shares: log of the frequency of each label in the training rows, [labels].
        """
        if len(labels) < 2:
            return cls(logits, (Calibration(), Calibration()))
        even, odd = (
            fit_calibration(logits[place::2], labels[place::2], log_shares)[0] for place in (1, 0)
        )
        return cls(logits, (even, odd))

    @property
    def shape(self) -> torch.Size:
        """[rows, labels]."""
        return self.logits.shape

    def __getitem__(self, rows: slice) -> Tensor:
        """Returns the calibrated logits of some rows, [some rows, labels]."""
        begin, end, _ = rows.indices(len(self.logits))
        found = torch.empty_like(self.logits[begin:end])
        for half, calibration in enumerate(self.halves):
            places = slice((half - begin) % 2, None, 2)
            found[places] = calibration.apply(self.logits[begin:end][places])
        return found


Logits = Tensor | CalibratedHalves


def summary(logits: Logits, labels: Tensor) -> dict[str, float]:
    """Returns accuracy, macro-F1, weighted F1, top-3 and top-5 accuracy, nats per text and expected
    calibration error."""
    ranks, count = _ranks(logits, labels), logits.shape[-1]
    predicted = predictions(logits)
    f1, occurs, rows = _f1(predicted, labels, count)
    nats = [cross_entropy(*block, reduction="none") for block in _blocks(logits, labels)]
    return {
        "accuracy": _share(predicted == labels),
        "macro_f1": float(f1[occurs].mean()),
        "weighted_f1": float((f1 * rows).sum() / rows.sum()),
        "top_3_accuracy": _share(ranks < 3),
        "top_5_accuracy": _share(ranks < 5),
        "nats_per_text": float(torch.cat(nats).double().mean()),
        "calibration_error": reliability(logits, labels).error,
    }


def predictions(logits: Logits) -> Tensor:
    """Returns the most likely label of each row, [rows]."""
    return torch.cat([block.argmax(-1) for block, _ in _blocks(logits)])


def accuracy(logits: Logits, labels: Tensor) -> float:
    """Returns the share of correct predictions."""
    return _share(predictions(logits) == labels)


def macro_f1(logits: Logits, labels: Tensor) -> float:
    """Returns the mean F1 of all labels that occur as a true label or as a prediction."""
    return of_predictions(predictions(logits), labels, logits.shape[-1])["macro_f1"]


def of_predictions(predicted: Tensor, labels: Tensor, count: int) -> dict[str, float]:
    """Returns accuracy and macro-F1.

    Args:
        predicted: label of each row, [rows].
        labels: [rows].
        count: number of labels.
    """
    f1, occurs, _ = _f1(predicted, labels, count)
    return {"accuracy": _share(predicted == labels), "macro_f1": float(f1[occurs].mean())}


def _blocks(logits: Logits, labels: Tensor | None = None) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields the rows in blocks, with their labels, or with none."""
    rows, size = logits.shape[0], block_rows(logits.shape[-1])
    given = torch.empty(rows, 0) if labels is None else labels
    for begin in range(0, rows, size):
        yield logits[begin : begin + size], given[begin : begin + size]


def _share(rows: Tensor) -> float:
    """Returns the share of rows that are True, in float64: a million rows need more digits than
    float32 has."""
    return float(rows.double().mean())


def _ranks(logits: Logits, labels: Tensor) -> Tensor:
    """Returns how many labels come before the true one, [rows].

    Of equal logits the first label comes first, as in `argmax` and in `rnn_infer`; `topk` has no
    such rule.
    """
    places, found = torch.arange(logits.shape[-1]), []
    for block, label in _blocks(logits, labels):
        own = block.gather(-1, label[:, None])
        behind = (block < own) | ((block == own) & (places >= label[:, None]))
        found.append(len(places) - behind.sum(-1))
    return torch.cat(found)


def _f1(predicted: Tensor, labels: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Returns for each label its F1, whether it occurs at all, and its rows, each [labels]."""
    rows = torch.bincount(labels, minlength=count)
    both = rows + torch.bincount(predicted, minlength=count)
    right = torch.bincount(labels[predicted == labels], minlength=count)
    return 2.0 * right.double() / both.clamp(min=1), both > 0, rows


def by_label(
    predicted: Tensor, labels: Tensor, names: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Returns precision, recall, F1 and the number of rows of each label, by its name.

    Args:
        predicted: label of each row, [rows].
        labels: [rows].
        names: of the labels.
    """
    from sklearn.metrics import precision_recall_fscore_support

    columns = precision_recall_fscore_support(
        labels, predicted, labels=range(len(names)), zero_division=0
    )
    keys = ("precision", "recall", "f1", "rows")
    return {
        name: {key: float(value) for key, value in zip(keys, row, strict=True)}
        for name, row in zip(names, zip(*columns, strict=True), strict=True)
    }


def confusions(predicted: Tensor, labels: Tensor, names: Sequence[str]) -> list[Confusion]:
    """Returns the most frequent confusions: true label, predicted label and number of rows.

    Args:
        predicted: label of each row, [rows].
        labels: [rows].
        names: of the labels.
    """
    wrong = predicted != labels
    codes = (labels[wrong] * len(names) + predicted[wrong]).numpy()
    pairs, rows = np.unique(codes, return_counts=True)
    order = np.argsort(-rows, kind="stable")[:_CONFUSIONS]
    return [
        {"true": names[pair // len(names)], "predicted": names[pair % len(names)], "rows": count}
        for pair, count in zip(pairs[order].tolist(), rows[order].tolist(), strict=True)
    ]


def by_prior(
    logits: Logits, labels: Tensor, log_prior: Sequence[float]
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
    predicted: dict[float, list[Tensor]] = {prior: [] for prior in PRIORS}
    for block, _ in _blocks(logits):
        for prior, found in predicted.items():
            found.append((block - prior * shift).argmax(-1))
    return {
        prior: of_predictions(torch.cat(found), labels, len(shift))
        for prior, found in predicted.items()
    }


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


def reliability(logits: Logits, labels: Tensor) -> Reliability:
    """Sorts predictions into bins by their probability."""
    shares = [torch.softmax(block.double(), -1).max(-1) for block, _ in _blocks(logits)]
    probability, prediction = (torch.cat(each) for each in zip(*shares, strict=True))
    correct = (prediction == labels).double()
    bin_index = (probability * BINS).long().clamp(max=BINS - 1)
    count, confidence, hits = (
        torch.zeros(BINS, dtype=torch.double).scatter_add_(0, bin_index, each).numpy()
        for each in (torch.ones_like(correct), probability, correct)
    )
    with np.errstate(invalid="ignore"):
        return Reliability(confidence / count, hits / count, count / len(labels))
