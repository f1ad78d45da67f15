"""Muon: an optimizer for weight matrices."""

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
"""Coefficients of three odd polynomials of degree 9, the lowest first. Applied in this order, they
map singular values in [0.004, 1] to within 0.07 of 1. Each is the best approximation of 1, by its
largest error, on the interval to which the polynomials before it map (Amsel et al., 2025, "The
Polar Express", section 3). Five polynomials of degree 5 are as accurate, and need a quarter more
work."""
_ADAM_RMS = 0.2
"""Root mean square of an update of AdamW at learning rate 1. Updates are scaled to it, so that a
learning rate means the same for both optimizers (Liu et al., 2025, "Muon is scalable for LLM
training", section 2.2)."""


class Muon(Optimizer):
    """Gradient descent with momentum, in which each update is replaced by an orthogonal matrix.

    Jordan et al., 2024, "Muon: an optimizer for hidden layers in neural networks". Two differences
    from `torch.optim.Muon`: it computes in float32, because many CPUs only emulate bfloat16; and it
    needs less than half the time for the tall matrices of a recurrent layer (`orthogonalized`).

    Args:
        params: matrices, or groups of them.
        lr: learning rate, with the meaning that it has for AdamW.
        momentum: decay of the mean gradient.
        weight_decay: share of the weights that one step at learning rate 1 subtracts.
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
        """Updates every parameter that has a gradient."""
        assert closure is None
        for group in self.param_groups:
            by_shape = defaultdict(list)
            for weight in group["params"]:
                if weight.grad is not None:
                    by_shape[weight.shape].append(weight)
            for weights in by_shape.values():
                self._update(weights, group)

    def _update(self, weights: list[Tensor], group: dict[str, Any]) -> None:
        """Updates matrices of one shape, as one batch."""
        smoothed = torch.stack([self.smoothed(each, group["momentum"]) for each in weights])
        scale = _ADAM_RMS * max(weights[0].shape) ** 0.5
        updates = orthogonalized(smoothed)
        for weight, update in zip(weights, updates, strict=True):
            weight.mul_(1 - group["lr"] * group["weight_decay"])
            weight.add_(update, alpha=-group["lr"] * scale)

    def smoothed(self, weight: Tensor, momentum: float) -> Tensor:
        """Takes the gradient of a weight into its mean, and returns both together: with Nesterov
        momentum the present gradient counts once more."""
        assert weight.grad is not None
        state = self.state[weight]
        if not state:
            state["mean"] = torch.zeros_like(weight)
        mean: Tensor = state["mean"].lerp_(weight.grad, 1 - momentum)
        return weight.grad.lerp(mean, momentum)


def orthogonalized(matrices: Tensor) -> Tensor:
    """Computes approximately U Vᵀ of each matrix U S Vᵀ.

    This is a Newton-Schulz iteration X ← X p(XᵀX). All p(XᵀX) commute. Therefore the iteration can
    work on the small square matrix XᵀX, and X is multiplied once at the end. The gate matrix of an
    LSTM is four times as tall as wide; for it, this halves the work.

    Args:
        matrices: [n, rows, columns]. A matrix of zeros stays zero.

    Returns:
        [n, rows, columns]. The singular values are near 1, and none is above 1.3.
    """
    if matrices.size(-2) < matrices.size(-1):
        return orthogonalized(matrices.mT).transpose(-2, -1)
    x = matrices / (matrices.norm(dim=(-2, -1), keepdim=True) * 1.01 + 1e-20)
    gram = x.mT @ x
    product = None
    for number, coefficients in enumerate(_POLYNOMIALS, 1):
        factor = _polynomial(gram, *coefficients)
        product = factor if product is None else product @ factor
        if number < len(_POLYNOMIALS):
            gram = factor @ gram @ factor
    result: Tensor = x @ product
    return result


def _polynomial(x: Tensor, a: float, b: float, c: float, d: float, e: float) -> Tensor:
    """Computes a + b x + c x² + d x³ + e x⁴ of square matrices with two matrix products (Paterson
    and Stockmeyer, 1973)."""
    square = x @ x
    low, high = b * x, torch.add(d * x, square, alpha=e)
    low.diagonal(dim1=-2, dim2=-1).add_(a)
    high.diagonal(dim1=-2, dim2=-1).add_(c)
    return torch.baddbmm(low, square, high)
