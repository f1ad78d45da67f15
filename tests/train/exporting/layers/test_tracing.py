"""Tracing a torch module and copying its nodes into a graph."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rnn_train.errors import ExportError
from rnn_train.exporting.graph import FLOAT, Graph
from rnn_train.exporting.layers.tracing import copy_into, trace
from rnn_train.exporting.products import Weights, products_of
from tests.train.exporting.examples import operators, run


class Mixing(nn.Module):
    """tanh(W [x, s] + b), split into parts of 1 and the rest."""

    def __init__(self, inputs: int, states: int, outputs: int) -> None:
        super().__init__()
        self.mix = nn.Linear(inputs + states, outputs)

    def forward(self, x: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        mixed = torch.tanh(self.mix(torch.cat([x, *state], -1)))
        return torch.split(mixed, [1, mixed.shape[-1] - 1], -1)


def copied(
    module: Mixing,
    x: NDArray[np.float32],
    s: NDArray[np.float32],
    weights: Weights = "float32",
    capturable: bool = False,
) -> tuple[Graph, list[NDArray[np.float32]]]:
    graph = Graph("g", capturable=capturable)
    inputs = [
        graph.input(name, FLOAT, ["batch", value.shape[1]]) for name, value in (("x", x), ("s", s))
    ]
    traced = trace(module, [x.shape[1], s.shape[1]])
    for value in copy_into(graph, traced, "cell0", inputs, products_of(weights)):
        graph.output(value, FLOAT, ["batch", "width"])
    return graph, run(graph, x=x, s=s)


@pytest.mark.parametrize("capturable", [False, True])
def test_copy_computes_what_the_module_computes(capturable: bool) -> None:
    module = Mixing(3, 2, 4)
    random = np.random.default_rng(0)
    x, s = random.random((5, 3), np.float32), random.random((5, 2), np.float32)
    graph, found = copied(module, x, s, "float32", capturable)
    with torch.inference_mode():
        expected = module(torch.from_numpy(x), torch.from_numpy(s))
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-6)
    unequal = {"Split", "Concat"}
    assert operators(graph.proto()) & unequal == (set() if capturable else unequal)


@pytest.mark.parametrize(("weights", "op"), [("int8", "MatMulInteger"), ("float16", "Cast")])
def test_large_products_are_rounded(weights: Weights, op: str) -> None:
    module = Mixing(128, 128, 128)
    random = np.random.default_rng(0)
    x, s = random.random((2, 5, 128), np.float32)
    graph, found = copied(module, x, s, weights)
    assert op in operators(graph.proto())
    with torch.inference_mode():
        expected = module(torch.from_numpy(x), torch.from_numpy(s))
    assert np.abs(found[1] - expected[1].numpy()).max() < 0.02


class Heads(nn.Module):
    """The same product for both halves of the input."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(256, 256, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.mix(x.view(-1, 2, 256)).flatten(1))


@pytest.mark.parametrize("weights", ["float16", "int8"])
def test_products_of_more_axes_stay_exact(weights: Weights) -> None:
    module, graph = Heads(), Graph("g")
    x = np.random.default_rng(0).random((5, 512), np.float32)
    x[:, :256] *= 100  # so that no step fits all rows
    given = graph.input("x", FLOAT, ["batch", 512])
    (found,) = copy_into(graph, trace(module, [512]), "cell0", [given], products_of(weights))
    graph.output(found, FLOAT, ["batch", 512])
    with torch.inference_mode():
        expected = module(torch.from_numpy(x))
    np.testing.assert_allclose(run(graph, x=x)[0], expected.numpy(), atol=1e-4)


def test_names_start_with_the_layers_name() -> None:
    graph, _ = copied(Mixing(2, 2, 4), np.ones((1, 2), np.float32), np.ones((1, 2), np.float32))
    proto = graph.proto()
    assert all(name.startswith("cell0.") for node in proto.node[:-2] for name in node.output[:1])
    assert {each.name for each in proto.initializer} >= {"cell0.mix.weight", "cell0.mix.bias"}
    assert not any(node.name or node.doc_string for node in proto.node)


class Sine(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(x)


class Branching(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


def test_operators_that_a_file_must_not_hold_are_refused() -> None:
    graph = Graph("g")
    x = graph.input("x", FLOAT, ["n", 2])
    with pytest.raises(ExportError, match=r"the cell uses ai\.onnx\.Sin"):
        copy_into(graph, trace(Sine(), [2]), "c", [x], products_of("float32"))


def test_a_module_that_branches_on_values_is_refused() -> None:
    with pytest.raises(ExportError, match="the cell cannot be traced") as raised:
        trace(Branching(), [2])
    assert "\n" not in str(raised.value)
