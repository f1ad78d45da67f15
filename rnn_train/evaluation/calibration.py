"""The calibration of a classifier: a temperature, and a share of labels that come by chance.

A temperature alone cannot repair a network that is too sure where it is sure, and not sure enough
elsewhere. Large tables do that to it: some of their rows have a label that does not follow from the
text (a mistake, a homonym, a person who moved), and no logit says so. Then the probabilities are
those of a mixture: (1 - noise) softmax(logits / temperature) + noise · frequencies of the labels.
It is ensemble temperature scaling (Zhang et al., 2020, "Mix-n-Match: ensemble and compositional
methods for uncertainty calibration in deep learning", equation 7) with two of its three parts, and
with the labels' frequencies in place of equal shares.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from torch import Tensor

from rnn_train.evaluation.temperature import (
    EVIDENCE,
    LIMITS,
    PRIOR_DEVIATION,
    Fit,
    enough,
    fit_to_logits,
)

LEAST_ROWS = 300
"""With fewer rows the noise is 0. From so many on, the test of the noise is seldom wrong, and a
noise that it lets pass makes the probabilities of new rows better."""
MOST_NOISE = 0.5
_BLOCK = 1 << 21
"""Probabilities that are in memory at once."""
_TOLERANCE = {"xatol": 3e-3}


def block_rows(labels: int) -> int:
    """Returns how many rows of so many labels are looked at together."""
    return max(1, _BLOCK // labels)


@dataclass(frozen=True)
class Calibration:
    """From the logits of a network to logits whose softmax are honest probabilities."""

    temperature: float = 1.0
    """Divides every logit."""
    noise: tuple[float, ...] = ()
    """Probability of each label whatever the text says, [labels]; empty: there is none."""

    def apply(self, logits: Tensor) -> Tensor:
        """Calibrates logits [rows, labels]."""
        scaled = logits / self.temperature
        if not self.noise:
            return scaled
        noise = torch.tensor(self.noise, dtype=scaled.dtype, device=scaled.device)
        kept, least = 1 - math.fsum(self.noise), torch.finfo(scaled.dtype).tiny
        for rows in torch.split(scaled, block_rows(scaled.shape[-1])):
            shares = kept * torch.softmax(rows, -1) + noise
            rows.copy_(shares.clamp(min=least).log())
        return scaled

    def apply_(self, logits: Tensor) -> Tensor:
        """Calibrates logits [rows, labels] in place, a block at a time, and returns them."""
        for rows in torch.split(logits, block_rows(logits.shape[-1])):
            rows.copy_(self.apply(rows))
        return logits


def fit_calibration(
    logits: Tensor, labels: Tensor, log_shares: tuple[float, ...]
) -> tuple[Calibration, Fit]:
    """Fits temperature and noise to held-out rows.

    The noise must be worth it: a likelihood-ratio test has to refuse that there is none.

    Args:
        logits: [rows, labels].
        labels: index of each row's true label, [rows].
        log_shares: log of the frequency of each label, [labels].

    Returns:
        The calibration, and the temperature with what is to be said about it.
    """
    fit = fit_to_logits(logits, labels)
    if fit.items < LEAST_ROWS:
        return Calibration(fit.temperature), fit
    mixture = _Mixture(*enough(logits, labels), log_shares)
    bounds = [-math.log(limit) for limit in LIMITS[::-1]]
    found = minimize_scalar(
        lambda at: mixture.loss(at)[0], bounds=bounds, method="bounded", options=_TOLERANCE
    )
    loss, noise = mixture.loss(float(found.x))
    if mixture.loss_without(-math.log(fit.temperature)) - loss <= EVIDENCE:
        return Calibration(fit.temperature), fit
    shares = np.exp(log_shares)
    parts = tuple((noise * shares / shares.sum()).tolist())
    temperature = math.exp(-float(found.x))
    return Calibration(temperature, parts), Fit(temperature, fit.items)


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
"""[rows, labels]."""


class _Mixture:
    """The negative log posterior of log(1 / T), at the best noise for it."""

    def __init__(self, logits: Tensor, labels: Tensor, log_shares: tuple[float, ...]) -> None:
        self._ahead = logits.float() - logits.float().gather(-1, labels[:, None])
        shares = np.exp(log_shares)
        self._chance: NDArray[np.float64] = (shares / shares.sum())[labels.numpy()]
        self._weight = 1 / PRIOR_DEVIATION**2

    def loss(self, at: float) -> tuple[float, float]:
        """Returns the negative log posterior in nats, a sum over the rows, and the best noise."""
        right = np.exp(self._log_right(at))

        def nats(noise: float) -> float:
            return -float(np.log((1 - noise) * right + noise * self._chance).sum())

        bounds = (1e-6, MOST_NOISE)
        best = minimize_scalar(nats, bounds=bounds, method="bounded", options={"xatol": 1e-5})
        return float(best.fun) + self._weight * at**2 / 2, float(best.x)

    def loss_without(self, at: float) -> float:
        """Returns the negative log posterior without noise."""
        return -float(self._log_right(at).sum()) + self._weight * at**2 / 2

    def _log_right(self, at: float) -> NDArray[np.float64]:
        """Log of the probability that the network gives to the true label, [rows]."""
        sums = torch.logsumexp(self._ahead * math.exp(at), -1)
        found: NDArray[np.float64] = -sums.double().numpy()
        return found
