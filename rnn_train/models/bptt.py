"""Backpropagation through time for the Elman layer, written by hand.

Autograd would add several nodes and a small product for the gradient of U at each step. Here each
step is one product and one tanh, forward and backward, and the gradient of U is a single product
over all times (Werbos, 1990, "Backpropagation through time: what it does and how to do it").
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class ElmanScan(torch.autograd.Function):
    """All states of s_t = tanh(x_t + s_{t-1} U), for t = 1 … T.

    Args:
        x: the projected inputs [time, batch, width].
        first: s_0 [batch, width].
        weight: U [width, width].

    Returns:
        s_1 … s_T [time, batch, width].
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, first: Tensor, weight: Tensor) -> Tensor:
        states = x.new_empty(len(x) + 1, *x.shape[1:])
        states[0] = first
        for before, given, after in zip(states[:-1], x, states[1:], strict=True):
            torch.addmm(given, before, weight, out=after).tanh_()
        ctx.save_for_backward(states, weight)
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        states, weight = ctx.saved_tensors
        (given,) = gradients
        back = weight.T
        # The gradients of the arguments of tanh, from the last time to the first:
        # d_t = (1 - s_t²) (given_t + d_{t+1} Uᵀ).
        inside = torch.empty_like(states[1:])
        total = given[-1]
        for t in range(len(inside) - 1, -1, -1):
            torch.ops.aten.tanh_backward.grad_input(total, states[t + 1], grad_input=inside[t])
            total = torch.addmm(given[t - 1], inside[t], back) if t else inside[0] @ back
        before = states[:-1].flatten(0, 1)
        return inside, total, before.T @ inside.flatten(0, 1)
