"""How good a classifier's answers are: logits [rows, labels] against true labels [rows]."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

BINS = 15
"""Of equal width, for calibration."""
PRIORS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0)
"""Values of `prior` that are tried."""


def summary(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Accuracy, macro-F1, top-3 accuracy, nats a text, expected calibration error."""
    top = logits.topk(min(3, logits.shape[-1]), -1).indices
    return {
        "accuracy": accuracy(logits, labels),
        "macro_f1": macro_f1(logits, labels),
        "top_3_accuracy": float((top == labels[:, None]).any(-1).float().mean()),
        "nats_per_text": float(cross_entropy(logits, labels)),
        "calibration_error": reliability(logits, labels).error,
    }


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Share of right answers."""
    return float((logits.argmax(-1) == labels).float().mean())


def macro_f1(logits: Tensor, labels: Tensor) -> float:
    """Mean F1 of all labels that occur as a truth or as an answer."""
    from sklearn.metrics import f1_score

    return float(f1_score(labels, logits.argmax(-1), average="macro", zero_division=0))


def by_label(logits: Tensor, labels: Tensor, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Precision, recall, F1 and held-out rows of each label, by its name."""
    from sklearn.metrics import precision_recall_fscore_support

    columns = precision_recall_fscore_support(
        labels, logits.argmax(-1), labels=range(len(names)), zero_division=0
    )
    keys = ("precision", "recall", "f1", "rows")
    return {
        name: {key: float(value) for key, value in zip(keys, row, strict=True)}
        for name, row in zip(names, zip(*columns, strict=True), strict=True)
    }


def by_prior(
    logits: Tensor, labels: Tensor, log_prior: Sequence[float]
) -> dict[float, dict[str, float]]:
    """Accuracy and macro-F1 at each of PRIORS, `classify`'s `prior`."""
    shift = torch.tensor(log_prior)
    found = {}
    for prior in PRIORS:
        adjusted = logits - prior * shift
        found[prior] = {
            "accuracy": accuracy(adjusted, labels),
            "macro_f1": macro_f1(adjusted, labels),
        }
    return found


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The number by which dividing all logits gives the least loss (Guo et al., 2017)."""
    choices = torch.logspace(-1.3, 1.3, 261).tolist()  # 0.05 to 20, steps of 2.3 %
    losses = [float(cross_entropy(logits / choice, labels)) for choice in choices]
    return float(choices[int(np.argmin(losses))])


def temperature_scaled(logits: Tensor, labels: Tensor) -> Tensor:
    """Each half of the rows divided by the temperature that the other half gives.

    So measured, no row has a say in the temperature it is judged at.
    """
    even = torch.arange(len(labels)) % 2 == 0
    if len(labels) < 2:
        return logits
    result = torch.empty_like(logits)
    for half in (even, ~even):
        result[half] = logits[half] / fit_temperature(logits[~half], labels[~half])
    return result


@dataclass(frozen=True)
class Reliability:
    """Answers by how sure they are, in BINS bins of equal width."""

    confidence: NDArray[np.float64]
    """Mean probability of a bin's answers, [BINS]; NaN in an empty one, as the next."""
    accuracy: NDArray[np.float64]
    share: NDArray[np.float64]
    """Of all rows, [BINS]."""

    @property
    def error(self) -> float:
        """Expected calibration error: the mean gap of confidence and accuracy over all rows."""
        return float(np.nansum(self.share * np.abs(self.confidence - self.accuracy)))


def reliability(logits: Tensor, labels: Tensor) -> Reliability:
    """Sorts answers into bins of their probability."""
    probability, answer = torch.softmax(logits.double(), -1).max(-1)
    right = (answer == labels).double()
    place = (probability * BINS).long().clamp(max=BINS - 1)
    count, confidence, correct = (
        torch.zeros(BINS, dtype=torch.double).scatter_add_(0, place, each).numpy()
        for each in (torch.ones_like(right), probability, right)
    )
    with np.errstate(invalid="ignore"):
        return Reliability(confidence / count, correct / count, count / len(labels))
