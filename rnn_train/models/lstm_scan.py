"""Training one LSTM layer on a CPU, in bfloat16, with a backward pass written by hand.

oneDNN, which `nn.LSTM` uses on CPUs, runs its forward pass near the limit of the processor. Its
backward pass of a large layer takes twice the time that its products need. Here the gradients of
the matrices and of the input are one product each, over all times; a step is one product, and
arithmetic on its result. A small layer gains nothing by this, see `pays`.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear

_LEAST_WEIGHTS = 1_500_000
"""Weights of a layer from which this is faster than `nn.LSTM`, with one thread of a processor with
AVX512-BF16 (`benchmarks/README.md`, training)."""
_MOST_THREADS = 2
"""The arithmetic of a step is too little to share among threads. oneDNN shares it."""


def pays(layer: nn.LSTM, x: Tensor) -> bool:
    """Whether `scan` is faster for a layer than the layer itself, here and now.

    Args:
        layer: one layer.
        x: its input [batch, time, input_size].
    """
    return (
        x.device.type == "cpu"
        and layer.training
        and torch.is_grad_enabled()
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") is torch.bfloat16
        and 4 * layer.hidden_size * (layer.input_size + layer.hidden_size) >= _LEAST_WEIGHTS
        and torch.get_num_threads() <= _MOST_THREADS
        and available()
    )


def available() -> bool:
    """Whether this build of torch and this processor have the product that `LSTMScan` needs."""
    found = torch.ops.mkldnn
    return hasattr(found, "_linear_pointwise") and bool(found._is_mkldnn_bf16_supported())


def scan(layer: nn.LSTM, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Compute a layer over a sequence: what the layer itself computes, up to rounding.

    Args:
        layer: one layer, with batch_first.
        x: the inputs [batch, time, input_size].
        h, c: the state before the first step, each [batch, width].

    Returns:
        The outputs [batch, time, width] in bfloat16; h and c after the last step, in float32.
    """
    weight, recurrent, bias, second_bias = layer.parameters()
    given = (x.transpose(0, 1), weight, recurrent, bias + second_bias)
    low = (each.to(torch.bfloat16) for each in given)
    with torch.autocast("cpu", enabled=False):
        states, last, cell = LSTMScan.apply(*low, h.float(), c.float())  # type: ignore[no-untyped-call]
    return states.transpose(0, 1), last, cell


class LSTMScan(torch.autograd.Function):
    """All states of an LSTM layer.

    i, f, o = sigmoid(W x_t + U h_{t-1} + b), each with its own W, U and b;  g = tanh(likewise)
    c_t = f c_{t-1} + i g;  h_t = o tanh(c_t)

    The products are in bfloat16, and all else in float32.

    Args:
        x: bfloat16 [time, batch, input_size].
        weight, recurrent, bias: W [4 width, input_size], U [4 width, width] and b [4 width], in
            bfloat16. The rows are those of i, f, g and o.
        h, c: before the first step, float32 [batch, width].

    Returns:
        h_1 … h_T, bfloat16 [time, batch, width]; h_T and c_T, float32 [batch, width].
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, recurrent: Tensor, bias: Tensor, h: Tensor, c: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        time, batch, width = len(x), len(h), h.shape[1]
        # tanh(a) = 2 sigmoid(2a) - 1: sigmoid takes a third of the time of tanh, and one call
        # does all gates. To double numbers in bfloat16 is exact.
        doubled = [_with_doubled(each, width) for each in (weight, recurrent, bias)]
        given = linear(x.flatten(0, 1), doubled[0], doubled[2]).view(time, batch, -1)
        packed = _packed(doubled[1], batch)
        gates = x.new_empty(time, batch, 4, width, dtype=torch.float32)
        cells, tanhs = (gates.new_empty(n, batch, width) for n in (time + 1, time))
        states = x.new_empty(time + 1, batch, width)
        states[0], cells[0] = h, c
        last = torch.empty_like(h)
        steps = (each.unbind() for each in (given, gates, tanhs, cells[:-1], cells[1:]))
        for t, (given_t, gates_t, tanh, c_before, c_after) in enumerate(zip(*steps, strict=True)):
            gates_t.view(batch, -1).copy_(_product(states[t], packed, given_t)).sigmoid_()
            i, f, g, o = gates_t.unbind(1)
            g.mul_(2).sub_(1)
            torch.mul(f, c_before, out=c_after).addcmul_(i, g)
            torch.mul(c_after, 2, out=tanh).sigmoid_().mul_(2).sub_(1)
            states[t + 1] = torch.mul(o, tanh, out=last)
        ctx.save_for_backward(x, weight, recurrent, states, gates, cells, tanhs)
        return states[1:], last, cells[-1].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, recurrent, states, gates, cells, tanhs = ctx.saved_tensors
        given, d_last, d_c = gradients
        inside = gates.new_empty(*gates.shape, dtype=torch.bfloat16)
        packed = _packed(recurrent.T.contiguous(), len(d_c))
        d_c, d_h = d_c.clone(), given[-1] + d_last
        for t in range(len(x) - 1, -1, -1):
            inside[t] = _gate_gradients(d_h.float(), d_c, gates[t], cells[t], tanhs[t])
            before = given[t - 1] if t else torch.zeros_like(given[0])
            d_h = _product(inside[t].flatten(1), packed, before)
        flat = inside.flatten(0, 1).flatten(1)  # [time * batch, 4 width]
        return (
            (flat @ weight).view_as(x) if ctx.needs_input_grad[0] else None,
            flat.T @ x.flatten(0, 1),
            flat.T @ states[:-1].flatten(0, 1),
            flat.sum(0, dtype=torch.float32).to(flat.dtype),
            d_h.float(),
            d_c,
        )


def _gate_gradients(
    d_h: Tensor, d_c: Tensor, gates: Tensor, before: Tensor, tanh: Tensor
) -> Tensor:
    """Computes the gradients of the arguments of the gates at one time.

    Args:
        d_h: gradient of h_t [batch, width]. It is overwritten.
        d_c: gradient of c_t by way of later times. It becomes that of c_{t-1}.
        gates: i, f, g and o [batch, 4, width].
        before: c_{t-1}.
        tanh: tanh(c_t).

    Returns:
        The gradients [batch, 4, width].
    """
    i, f, g, o = gates.unbind(1)
    outer = torch.empty_like(gates)
    torch.mul(d_h, tanh, out=outer[:, 3])
    d_c.add_(torch.ops.aten.tanh_backward(d_h.mul_(o), tanh))
    torch.mul(d_c, g, out=outer[:, 0])
    torch.mul(d_c, before, out=outer[:, 1])
    torch.mul(d_c, i, out=outer[:, 2])
    d_c.mul_(f)
    of_g = torch.ops.aten.tanh_backward(outer[:, 2], g)
    torch.ops.aten.sigmoid_backward.grad_input(outer, gates, grad_input=outer)
    outer[:, 2] = of_g
    return outer


def _with_doubled(parameter: Tensor, width: int) -> Tensor:
    """Returns a copy in which the rows of g are doubled."""
    copy = parameter.clone()
    copy[2 * width : 3 * width].mul_(2)
    return copy


def _packed(weight: Tensor, batch: int) -> Tensor:
    """Brings a matrix into the order in which `_product` reads it, once for all steps."""
    result: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), batch)
    return result


def _product(x: Tensor, packed: Tensor, added: Tensor) -> Tensor:
    """Computes x Wᵀ + added, of a packed W. `addmm` would pack W again at every step."""
    result: Tensor = torch.ops.mkldnn._linear_pointwise.binary(x, added, packed, None, "add")
    return result
