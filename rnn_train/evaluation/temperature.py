"""The temperature of a model, fitted to held-out logits, with care for how few they are.

Temperature scaling (Guo et al., 2017, "On calibration of modern neural networks") takes the
temperature of the least held-out loss. A few rows that are all right give temperature 0 in this
way, and a few wrong ones give infinity. Two things hold it back here:

- A prior: log T is normal around 0. The estimate is the maximum a posteriori (Bishop, 2006,
  "Pattern recognition and machine learning", section 1.2.5). The loss is a sum over the items, so
  the prior weighs less the more items there are.
- Below 1, where a model becomes surer, there must be evidence: a likelihood-ratio test has to
  refuse temperature 1. Then the fit is the end of a likelihood interval that is nearest to 1
  (Royall, 1997, "Statistical evidence", section 1.2). The interval shrinks as the evidence grows,
  from the whole way to 1 at the limit of the test.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

LIMITS = (0.2, 5.0)
"""Least and greatest temperature."""
PRIOR_DEVIATION = 0.5
"""Standard deviation of the prior of log T."""
EVIDENCE = 2.7
"""Nats of likelihood that refuse temperature 1: a one-sided test at 1 %, 2.326² / 2."""
_MAX_LOGITS = 2**23
_MIN_ITEMS = 1000
_TOLERANCE = 1e-4
_MAX_EVALUATIONS = 60
_Curve = Callable[[float], tuple[float, float]]
"""A function of log(1 / T): its value and its slope."""


@dataclass(frozen=True)
class Fit:
    """A fitted temperature."""

    temperature: float
    """Divides every logit."""
    items: int
    """Number of rows or characters that decided it."""

    @property
    def warnings(self) -> list[str]:
        """A warning if the temperature ended at a limit, where it is no longer a good fit."""
        low, high = LIMITS
        if 1.05 * low < self.temperature < high / 1.05:
            return []
        how = "less sure" if self.temperature > 1 else "surer"
        return [
            f"the temperature ended at its limit, {self.temperature:.2g}: the held-out data asks "
            f"for a model that is far {how}, so its probabilities are not to be trusted; hold out "
            "data that resembles the training data (--val-data), or give --temperature to "
            "rnn-train export"
        ]


def enough_items(outputs: int) -> int:
    """Returns how many items are enough to fit a temperature.

    n items cost 1 / 2n nats of expected loss against a fit to all (one parameter), so 1000 items
    cost less than 0.001.

    Args:
        outputs: number of labels, or of characters: more of them take longer.
    """
    return max(_MIN_ITEMS, _MAX_LOGITS // outputs)


def fit_to_logits(logits: Tensor, labels: Tensor, limits: tuple[float, float] = LIMITS) -> Fit:
    """Fits the temperature. It takes some ten softmaxes of `enough_items` items.

    Args:
        logits: [items, outputs]. If there are more items than are enough, evenly spaced ones count.
        labels: index of each item's true output, [items].
        limits: the least and the greatest temperature.

    Returns:
        The temperature. With no items it is 1.
    """
    if not len(logits):
        return Fit(1.0, 0)
    logits, labels = enough(logits, labels)
    curves = _Curves(logits.float(), labels)
    low, high = (-math.log(limit) for limit in limits[::-1])
    slope = curves.slope(0.0)[0]
    best = _root(curves.slope, 0.0, high if slope < 0 else low)
    if best > 0:
        best = _towards_zero(curves, best)
    return Fit(min(max(math.exp(-best), limits[0]), limits[1]), len(labels))


def enough(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Returns evenly spaced items, as many as are enough: logits [items, outputs], and labels."""
    items, outputs = logits.shape
    if items <= enough_items(outputs):
        return logits, labels
    chosen = enough_of(torch.arange(items, device=logits.device), outputs)
    return logits[chosen], labels[chosen]


def enough_of(items: Tensor, outputs: int) -> Tensor:
    """Returns evenly spaced ones of some items [items], as many as are enough."""
    if len(items) <= (most := enough_items(outputs)):
        return items
    return items[torch.linspace(0, len(items) - 1, most, device=items.device).round().long()]


class _Curves:
    """The negative log posterior of log(1 / T), its slope and its curvature."""

    def __init__(self, logits: Tensor, labels: Tensor) -> None:
        # With the true logit at 0, the loss of an item is the log of a sum.
        self._ahead = logits - logits.gather(-1, labels[:, None])
        self._weight = 1 / PRIOR_DEVIATION**2

    def loss(self, at: float) -> tuple[float, float]:
        """Returns the negative log posterior in nats, a sum over the items, and its slope."""
        inverse = math.exp(at)
        sums = torch.logsumexp(self._ahead * inverse, -1)
        loss = float(sums.double().sum()) + self._weight * at**2 / 2
        return loss, self.slope(at)[0]

    def slope(self, at: float) -> tuple[float, float]:
        """Returns the slope and the curvature."""
        inverse = math.exp(at)
        shares = torch.softmax(self._ahead * inverse, -1)
        mean = (shares * self._ahead).sum(-1)
        variance = (shares * (self._ahead - mean[:, None]).square()).sum(-1)
        first = inverse * float(mean.double().sum())
        second = inverse**2 * float(variance.double().sum())
        return first + self._weight * at, first + second + self._weight


def _towards_zero(curves: _Curves, best: float) -> float:
    """Returns 0, or the point nearest to 0 that the evidence leaves possible."""
    least, gain = curves.loss(best)[0], curves.loss(0.0)[0] - curves.loss(best)[0]
    if gain <= EVIDENCE:
        return 0.0
    enough = least + EVIDENCE**2 / gain

    def excess(at: float) -> tuple[float, float]:
        loss, slope = curves.loss(at)
        return loss - enough, slope

    return _root(excess, 0.0, best)


def _root(curve: _Curve, begin: float, end: float) -> float:
    """Finds where a curve crosses zero between two points, by Newton's method and bisection.

    Args:
        curve: gives value and slope.
        begin: where the search starts.
        end: the answer if the sign does not change.
    """
    value, slope = curve(begin)
    sign = value > 0
    if value == 0 or begin == end:
        return begin
    near, far, at = begin, end, begin
    tried_end = False
    for _ in range(_MAX_EVALUATIONS):
        step = at - value / slope if slope else math.nan
        inside = min(near, far) < step < max(near, far)
        at = step if inside else ((near + far) / 2 if tried_end else end)
        tried_end |= at == end
        value, slope = curve(at)
        if at == end and (value > 0) == sign:
            return end
        if (value > 0) == sign:
            near = at
        else:
            far = at
        if abs(far - near) < _TOLERANCE or abs(value) < _TOLERANCE * abs(slope):
            break
    return at
