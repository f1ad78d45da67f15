"""The interface of layers: the Scan over single steps, and which layer a module gets."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rnn_train.exporting.graph import FLOAT, Graph
from rnn_train.exporting.layers import Layer, layer_of
from rnn_train.exporting.layers.elman import ElmanLayer
from rnn_train.exporting.layers.layer import Stepped, as_numpy
from rnn_train.exporting.layers.lstm import LSTMLayer
from rnn_train.exporting.layers.whole import GRULayer
from rnn_train.exporting.products import products_of
from rnn_train.models.cells import ElmanCell, GRUCell
from tests.train.exporting.examples import run


class Summing(Layer):
    """s' = s + 2 x; the output is [s', x]."""

    def __init__(self) -> None:
        self.states = {"s0": 2}
        self.input = self.projected = 2
        self.output = 4

    def project(self, graph: Graph, x: str, by_time: bool = False) -> str:
        x = graph.rows(x, self.input) if by_time else x
        return graph.add("Add", x, x)

    def table(self, embedding: Tensor) -> NDArray[np.float32]:
        return as_numpy(2 * embedding)

    def step(self, graph: Graph, projected: str, states: Sequence[str]) -> Stepped:
        after = graph.add("Add", states[0], projected)
        return graph.add("Concat", after, projected, axis=1), [after]


def test_steps_are_a_scan_of_step() -> None:
    layer, graph = Summing(), Graph("g")
    x = graph.input("x", FLOAT, ["time", "batch", 2])
    state = graph.input("s", FLOAT, ["batch", 2])
    sizes = graph.add("Shape", x, start=0, end=2)
    outputs, after = layer.sequence(graph, x, sizes, [state])
    graph.output(outputs, FLOAT, ["time", "batch", 4])
    graph.output(after[0], FLOAT, ["batch", 2])
    values = np.random.default_rng(0).random((5, 3, 2), np.float32)
    begin = np.ones((3, 2), np.float32)
    found, last = run(graph, x=values, s=begin)
    sums = begin + np.cumsum(2 * values, 0)
    np.testing.assert_allclose(found, np.concatenate([sums, 2 * values], -1), rtol=1e-5)
    np.testing.assert_allclose(last, sums[-1], rtol=1e-5)


def test_advance_projects_and_steps() -> None:
    layer, graph = Summing(), Graph("g")
    x, state = graph.input("x", FLOAT, ["batch", 2]), graph.input("s", FLOAT, ["batch", 2])
    _, after = layer.advance(graph, x, [state])
    graph.output(after[0], FLOAT, ["batch", 2])
    values = np.array([[1, 2]], np.float32)
    assert run(graph, x=values, s=values)[0].tolist() == [[3, 6]]


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: nn.LSTM(3, 4), LSTMLayer),
        (lambda: ElmanCell(3, 4), ElmanLayer),
        (lambda: GRUCell(3, 4), GRULayer),
    ],
)
def test_layer_of_a_module(make: Any, kind: type[Layer]) -> None:
    layer = layer_of(2, make(), products_of("float32"))
    assert type(layer) is kind
    assert all(name.endswith("2") for name in layer.states)


def test_weights_become_float32_arrays() -> None:
    weight = as_numpy(nn.Parameter(torch.ones(2, dtype=torch.float64)))
    assert weight.dtype == np.float32
