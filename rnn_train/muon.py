"""Muon, an optimizer for weight matrices, with the gates of a recurrent layer as blocks."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

_POLYNOMIALS = (
    (4.0848, -6.8946, 2.9270),
    (3.9505, -6.3029, 2.6377),
    (3.7418, -5.5913, 2.3037),
    (2.8769, -3.1427, 1.2046),
    (2.8366, -3.0525, 1.2012),
)
"""A coefficient triple a step of the iteration (You, 2025, as used in modded-nanogpt)."""
_MATCH = 0.2
"""Root mean square of AdamW's update at rate 1 (Liu et al., 2025, "Muon is scalable for LLM
training", section 2.2): a rate means the same for both."""


class Muon(Optimizer):
    """Momentum whose every block is replaced by the nearest orthogonal matrix.

    Jordan et al., 2024, "Muon: an optimizer for hidden layers in neural networks". The four gates
    of an LSTM lie in one matrix, but are four maps: each is a block of its own. `torch.optim.Muon`
    takes matrices whole, and works in bfloat16, which most processors only emulate.

    Args:
        params: matrices [blocks * rows, columns].
        blocks: how many blocks each is made of, one below the other.
        lr: learning rate, on AdamW's scale.
        momentum: decay of the mean gradient.
        weight_decay: share of the weights that a step at rate 1 takes away.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        *,
        blocks: int,
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(
            params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "blocks": blocks}
        )

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
        """Of matrices of one shape, whose blocks go through the iteration as one batch."""
        rows, columns = weights[0].shape[0] // group["blocks"], weights[0].shape[1]
        smoothed = []
        for weight in weights:
            assert weight.grad is not None
            state = self.state[weight]
            if not state:
                state["mean"] = torch.zeros_like(weight)
            mean: Tensor = state["mean"].lerp_(weight.grad, 1 - group["momentum"])
            # Nesterov: the gradient of now counts a little more.
            smoothed.append(weight.grad.lerp(mean, group["momentum"]).view(-1, rows, columns))
        updates = torch.split(orthogonalized(torch.cat(smoothed)), group["blocks"])
        scale = _MATCH * max(rows, columns) ** 0.5
        for weight, update in zip(weights, updates, strict=True):
            weight.mul_(1 - group["lr"] * group["weight_decay"])
            weight.add_(update.reshape(weight.shape), alpha=-group["lr"] * scale)


def orthogonalized(blocks: Tensor) -> Tensor:
    """Roughly U Vᵀ of each matrix U S Vᵀ: all singular values brought near 1, none left above 1.3.

    Args:
        blocks: [n, rows, columns]; a matrix of zeros stays one.
    """
    # A graphics processor multiplies bfloat16 several times faster, and this needs no precision.
    x = blocks.bfloat16() if blocks.is_cuda else blocks
    x = x / (x.norm(dim=(-2, -1), keepdim=True) * 1.01 + 1e-7)
    tall = x.size(-2) > x.size(-1)
    if tall:
        x = x.mT
    for a, b, c in _POLYNOMIALS:
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).to(blocks.dtype)
