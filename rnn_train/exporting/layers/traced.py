"""Any recurrent cell as ONNX nodes: torch's exporter traces its step."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rnn_train.exporting.graph import Graph
from rnn_train.exporting.layers.layer import Layer, Stepped, as_numpy
from rnn_train.exporting.layers.tracing import copy_into, trace
from rnn_train.exporting.products import Products
from rnn_train.models.cells import Cell


class TracedLayer(Layer):
    """The layer of any `Cell`: `project` and the step are traced once, then copied into each
    graph."""

    def __init__(self, index: int, cell: Cell, products: Products) -> None:
        self._name = f"cell{index}"
        self._cell = cell
        self._products = products
        self.states = {f"{name}{index}": width for name, width in cell.state_sizes.items()}
        self.input = cell.input_size
        with torch.inference_mode():
            probe = cell.project(torch.zeros(2, cell.input_size))
        self.projected = probe.shape[-1]
        self.output = cell.output_size

    def project(self, graph: Graph, x: str, by_time: bool = False) -> str:
        x = graph.rows(x, self.input) if by_time else x
        if type(self._cell).project is Cell.project:  # it returns its input
            return x
        return copy_into(graph, self._traced_project, self._name, [x], self._products)[0]

    def table(self, embedding: Tensor) -> NDArray[np.float32]:
        with torch.inference_mode():
            return as_numpy(self._cell.project(embedding))

    def step(self, graph: Graph, projected: str, states: Sequence[str]) -> Stepped:
        inputs = [projected, *states]
        output, *after = copy_into(graph, self._traced_step, self._name, inputs, self._products)
        return output, after

    @cached_property
    def _traced_project(self) -> onnx.GraphProto:
        return trace(_Project(self._cell), [self._cell.input_size])

    @cached_property
    def _traced_step(self) -> onnx.GraphProto:
        widths = [self.projected, *self._cell.state_sizes.values()]
        return trace(_Step(self._cell), widths)


class _Project(nn.Module):
    """A cell's `project`, as a module that torch's exporter accepts."""

    def __init__(self, cell: Cell) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: Tensor) -> Tensor:
        return self.cell.project(x)


class _Step(nn.Module):
    """A cell's step: projected input and states → output and next states."""

    def __init__(self, cell: Cell) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        after = self.cell(x, state)
        return self.cell.output(x, after), *after
