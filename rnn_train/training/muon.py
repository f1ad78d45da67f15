"""Muon, an optimizer for weight matrices."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

_POLYNOMIALS = (
    (14.667, -142.7012, 473.9754, -608.682, 264.6821),
    (6.1017, -14.4672, 12.4215, -4.1792, 0.4786),
    (3.297, -5.9655, 5.5405, -2.2623, 0.331),
)
"""Odd polynomials of degree 9, lowest coefficient first, by which an iteration takes singular
values from [0.004, 1] to within 0.07 of 1: each the best approximation of 1, in the largest
error, on the interval that the ones before it leave (Amsel et al., 2025, "The Polar Express",
section 3). Three of them do with four fifths of the work what five of degree 5 do."""
_MATCH = 0.2
"""Root mean square of AdamW's update at rate 1 (Liu et al., 2025, "Muon is scalable for LLM
training", section 2.2): a rate means the same for both."""


class Muon(Optimizer):
    """Momentum, with the nearest orthogonal matrix in place of every matrix.

    Jordan et al., 2024, "Muon: an optimizer for hidden layers in neural networks". Unlike
    `torch.optim.Muon` it works in float32 where bfloat16 is only emulated, and costs less than half
    on the tall matrices of a recurrent layer, see `orthogonalized`.

    Args:
        params: matrices, or groups of them.
        lr: learning rate, on AdamW's scale.
        momentum: decay of the mean gradient.
        weight_decay: share of the weights that a step at rate 1 takes away.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        *,
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One update of all parameters that have a gradient."""
        assert closure is None
        for group in self.param_groups:
            alike = defaultdict(list)
            for weight in group["params"]:
                if weight.grad is not None:
                    alike[weight.shape].append(weight)
            for weights in alike.values():
                self._update(weights, group)

    def _update(self, weights: list[Tensor], group: dict[str, Any]) -> None:
        """Of matrices of one shape, as one batch."""
        smoothed = []
        for weight in weights:
            assert weight.grad is not None
            state = self.state[weight]
            if not state:
                state["mean"] = torch.zeros_like(weight)
            mean: Tensor = state["mean"].lerp_(weight.grad, 1 - group["momentum"])
            # Nesterov: the gradient of now counts a little more.
            smoothed.append(weight.grad.lerp(mean, group["momentum"]))
        scale = _MATCH * max(weights[0].shape) ** 0.5
        updates = orthogonalized(torch.stack(smoothed))
        for weight, update in zip(weights, updates, strict=True):
            weight.mul_(1 - group["lr"] * group["weight_decay"])
            weight.add_(update, alpha=-group["lr"] * scale)


def orthogonalized(matrices: Tensor) -> Tensor:
    """Roughly U Vᵀ of each matrix U S Vᵀ: its singular values near 1, and none above 1.3.

    A Newton-Schulz iteration X ← X p(XᵀX). As all p(XᵀX) commute, it can be done on XᵀX alone,
    the smaller side squared, and X be multiplied once at the end: for the gates of an LSTM, four
    times as tall as wide, less than half the work.

    Args:
        matrices: [n, rows, columns]; a matrix of zeros stays one.
    """
    if matrices.size(-2) < matrices.size(-1):
        return orthogonalized(matrices.mT).transpose(-2, -1)
    x = matrices / (matrices.norm(dim=(-2, -1), keepdim=True) * 1.01 + 1e-20)
    gram = x.mT @ x
    product = None
    for turn, coefficients in enumerate(_POLYNOMIALS, 1):
        factor = _polynomial(gram, *coefficients)
        product = factor if product is None else product @ factor
        if turn < len(_POLYNOMIALS):
            gram = factor @ gram @ factor
    result: Tensor = x @ product
    return result


def _polynomial(x: Tensor, a: float, b: float, c: float, d: float, e: float) -> Tensor:
    """a + b x + c x² + d x³ + e x⁴ of square matrices, by two products (Paterson and Stockmeyer,
    1973)."""
    square = x @ x
    low, high = b * x, torch.add(d * x, square, alpha=e)
    low.diagonal(dim1=-2, dim2=-1).add_(a)
    high.diagonal(dim1=-2, dim2=-1).add_(c)
    return torch.baddbmm(low, square, high)
