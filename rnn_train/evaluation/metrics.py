"""Metrics of a classifier, from its answers to labelled rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnn_train.evaluation.answers import Answers, predictions
from rnn_train.evaluation.calibration import Logits

BINS = 15
"""Number of bins of equal width, for calibration."""
_CONFUSIONS = 50
"""Confusions in the list of the most frequent ones."""


class Confusion(TypedDict):
    """Rows of one label for which another one was predicted."""

    true: str
    predicted: str
    rows: int


def summary(answers: Answers) -> dict[str, float]:
    """Returns accuracy, macro-F1, weighted F1, top-3 and top-5 accuracy, nats per text and expected
    calibration error."""
    predicted, labels = answers.predicted, answers.labels
    f1, occurs, rows = _f1(predicted, labels, answers.count)
    return {
        "accuracy": _share(predicted == labels),
        "macro_f1": float(f1[occurs].mean()),
        "weighted_f1": float((f1 * rows).sum() / rows.sum()),
        "top_3_accuracy": _share(answers.ranks < 3),
        "top_5_accuracy": _share(answers.ranks < 5),
        "nats_per_text": float(answers.nats.double().mean()),
        "calibration_error": reliability(answers).error,
    }


def accuracy(logits: Logits, labels: Tensor) -> float:
    """Returns the share of correct predictions.

    Args:
        logits: [rows, labels].
        labels: index of each row's true label, [rows].
    """
    return _share(predictions(logits) == labels)


def macro_f1(logits: Logits, labels: Tensor) -> float:
    """Returns the mean F1 of all labels that occur as a true label or as a prediction.

    Args:
        logits, labels: see `accuracy`.
    """
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


def _share(rows: Tensor) -> float:
    """Returns the share of rows that are True, in float64: a million rows need more digits than
    float32 has."""
    return float(rows.double().mean())


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


def by_prior(answers: Answers) -> dict[float, dict[str, float]]:
    """Computes accuracy and macro-F1 for several values of `prior`, an option of `classify`.

    Args:
        answers: made with a log-prior, or there are no figures.

    Returns:
        Accuracy and macro-F1, by the value of `prior`.
    """
    return {
        prior: of_predictions(predicted, answers.labels, answers.count)
        for prior, predicted in answers.by_prior.items()
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


def reliability(answers: Answers) -> Reliability:
    """Sorts predictions into bins by their probability."""
    correct = (answers.predicted == answers.labels).double()
    bin_index = (answers.shares * BINS).long().clamp(max=BINS - 1)
    count, confidence, hits = (
        torch.zeros(BINS, dtype=torch.double).scatter_add_(0, bin_index, each).numpy()
        for each in (torch.ones_like(correct), answers.shares, correct)
    )
    with np.errstate(invalid="ignore"):
        return Reliability(confidence / count, hits / count, count / len(correct))
