"""Predictions: the ranking of labels by their logits, and what a caller gets of it."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from rnn_infer.conformal.threshold import check_coverage
from rnn_infer.errors import OptionError
from rnn_infer.sampling import is_integer, is_number
from rnn_infer.text.vocabulary import Unknown

_FEW = 4
"""To rank more than one label in so many, all labels of a text are sorted."""


class LabelProbability(NamedTuple):
    """One label and its probability."""

    label: str
    """The label."""
    probability: float
    """From 0 to 1."""


# A flat tuple, because a large table makes tens of thousands of these per second.
class Prediction(NamedTuple):
    """The prediction for one text."""

    text: str
    """The text that was classified."""
    labels: tuple[str, ...]
    """The most likely labels, the most likely first. With `coverage` they are the set."""
    probabilities: tuple[float, ...]
    """The probabilities of `labels`, from 0 to 1."""
    abstains: bool = False
    """True if no label reaches `min_probability`."""
    reason: str | None = None
    """Why there are no labels: "empty", the text is empty or missing; "unknown", the model knows
    none of its characters. None: there are labels."""
    known: float = 1.0
    """Share of the text's characters that the model knows, from 0 to 1. What is left is read as
    unknown characters, or left out: an answer to little known text says little."""

    @property
    def top(self) -> tuple[LabelProbability, ...]:
        """The pairs of `labels` and `probabilities`, the most likely first."""
        return tuple(map(LabelProbability, self.labels, self.probabilities))

    @property
    def label(self) -> str | None:
        """The most likely label. None if the prediction abstains, or there is nothing to label."""
        return None if self.abstains or not self.labels else self.labels[0]

    @property
    def probability(self) -> float:
        """The probability of the most likely label. NaN if there is nothing to label."""
        return self.probabilities[0] if self.probabilities else math.nan


class ClassifyKeywords(TypedDict, total=False):
    """Keywords of `Classifier.classify` and `Classifier.trace`."""

    top: int
    prior: float
    min_probability: float
    unknown: Unknown
    coverage: float | None


@dataclass(frozen=True)
class Choice:
    """How predictions are made from logits. The fields are explained in `Classifier.classify`.

    Raises:
        OptionError: a field is out of range.
    """

    top: int = 3
    prior: float = 0.0
    min_probability: float = 0.0
    unknown: Unknown = "default"
    coverage: float | None = None

    def __post_init__(self) -> None:
        if not is_integer(self.top) or self.top < 1:
            raise OptionError(f"top must be 1 or more, a whole number, got {self.top!r:.60}")
        for name in ("prior", "min_probability"):
            value = getattr(self, name)
            if not is_number(value) or not 0 <= value <= 1:  # NaN fails every comparison
                raise OptionError(f"{name} must be from 0 to 1, got {value!r:.60}")
        if self.coverage is None:
            return
        check_coverage(self.coverage)
        if self.prior:
            raise OptionError(
                "coverage is for prior 0, at which the held-out scores were measured; leave one out"
            )


def rank(
    logits: NDArray[np.float32], log_prior: NDArray[np.float32], choice: Choice
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the most likely labels of each text.

    Args:
        logits: [texts, labels].
        log_prior: [labels]: the log of each label's frequency in training.
        choice: `top` and `prior` are used.

    Returns:
        Labels [texts, top], and their probabilities [texts, top], which may be NaN. The most likely
        label is first.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        shares = _softmax(logits - np.float32(choice.prior) * log_prior)
    top = min(choice.top, shares.shape[1])
    if top > max(1, shares.shape[1] // _FEW):
        order = np.argsort(-shares, -1, kind="stable")[:, :top]
        return order, np.take_along_axis(shares, order, -1)
    return _largest(shares, top)


def with_noise(logits: NDArray[np.float32], noise: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return logits that allow for labels which do not follow from the text.

    Args:
        logits: [texts, labels].
        noise: probability of each label that comes by chance, [labels]; their sum is below 1.

    Returns:
        The log of (1 - sum of `noise`) softmax(logits) + noise, [texts, labels].
    """
    shares = _softmax(logits.copy())
    shares *= 1 - noise.sum(dtype=np.float64)
    shares += noise
    found: NDArray[np.float32] = np.log(np.maximum(shares, np.finfo(np.float32).tiny))
    return found


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn logits [texts, labels] into probabilities, in place."""
    with np.errstate(invalid="ignore", over="ignore"):
        logits -= logits.max(-1, keepdims=True)
        np.exp(logits, out=logits)
        logits /= logits.sum(-1, keepdims=True)
    return logits


def _largest(
    shares: NDArray[np.float32], top: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the largest numbers of each row, and their places: of equal ones the first.

    A few searches are several times faster than sorting a row of many labels.

    Args:
        shares: [texts, labels], none negative; the found ones are overwritten.
        top: how many.
    """
    places, rows = np.empty((len(shares), top), np.int64), np.arange(len(shares))
    found = np.empty(places.shape, shares.dtype)
    for i in range(top):
        place = places[:, i] = shares.argmax(-1)
        found[:, i] = shares[rows, place]
        shares[rows, place] = -1
    return places, found


def make_predictions(
    texts: Sequence[str],
    labels: NDArray[Any],
    probabilities: NDArray[np.float32],
    choice: Choice,
    known: NDArray[np.float64],
    sizes: NDArray[np.int64] | None = None,
) -> list[Prediction]:
    """Return one prediction per text.

    Args:
        texts: [texts].
        labels, probabilities: [texts, top], the most likely first.
        choice: `min_probability` is used.
        known: share of each text's characters that the model knows, [texts].
        sizes: number of labels that each prediction has, [texts]; None: all.
    """
    abstains = probabilities[:, 0].astype(np.float64) < choice.min_probability
    # Many texts have the same labels in the same order: they share a tuple, which saves memory, and
    # work of the garbage collector.
    shared: dict[tuple[str, ...], tuple[str, ...]] = {}
    columns = (
        texts,
        [shared.setdefault(each, each) for each in _tuples(labels, sizes)],
        _tuples(probabilities, sizes),
        abstains.tolist(),
        itertools.repeat(None, len(texts)),
        known.tolist(),
    )
    # `_make` without its checks, which take a third of its time.
    return list(map(partial(tuple.__new__, Prediction), zip(*columns, strict=True)))


def _tuples(rows: NDArray[Any], sizes: NDArray[np.int64] | None) -> Iterator[tuple[Any, ...]]:
    """Yield each row as a tuple, with its first values only if `sizes` are given."""
    if sizes is None:
        yield from zip(*rows.T.tolist(), strict=True)
        return
    # Cut first: a Python object for each of many labels takes much memory.
    for row, size in zip(rows, sizes.tolist(), strict=True):
        yield tuple(row[:size].tolist())


def nothing_to_label(text: str | None) -> Prediction:
    """Return the prediction for a text that is empty, missing, or has no known character."""
    return Prediction(text or "", (), (), False, "unknown" if text else "empty", 0.0)
