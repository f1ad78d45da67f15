"""Layers of cells that need no Scan when all times of a sequence are there at once.

They give the same numbers as their traced steps; the proof of an export checks that.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from rnn_train.exporting.graph import Graph
from rnn_train.exporting.layers.elman import ElmanLayer
from rnn_train.exporting.layers.layer import Stepped, as_numpy
from rnn_train.exporting.layers.ngram import NGramLayer
from rnn_train.exporting.layers.passing import PassThroughLayer
from rnn_train.exporting.layers.pool import PoolLayer
from rnn_train.exporting.layers.traced import TracedLayer
from rnn_train.exporting.products import Products
from rnn_train.models.cells import Cell, ElmanCell, GRUCell
from rnn_train.models.ngrams import NGramCell
from rnn_train.models.pooling import PassThrough, RunningPool


def cell_layer(index: int, cell: Cell, products: Products) -> TracedLayer:
    """Return the layer of a cell: one of this module for a cell it knows, else a traced one."""
    if isinstance(cell, PassThrough):
        return PassThroughLayer(index, cell, products, cell_layer)
    known: dict[type[Cell], type[TracedLayer]] = {
        ElmanCell: ElmanLayer,
        GRUCell: GRULayer,
        NGramCell: NGramLayer,
        RunningPool: PoolLayer,
    }
    return known.get(type(cell), TracedLayer)(index, cell, products)


class GRULayer(TracedLayer):
    """A gated recurrent unit: a whole sequence is one GRU node."""

    def __init__(self, index: int, cell: Cell, products: Products) -> None:
        super().__init__(index, cell, products)
        assert isinstance(cell, GRUCell)
        self._inputs, self._recurrent = cell.inputs, cell.recurrent

    def sequence(self, graph: Graph, x: str, sizes: str, states: Sequence[str]) -> Stepped:
        both = self._inputs, self._recurrent
        if any(self._products.rounds(as_numpy(linear.weight)) for linear in both):
            return super().sequence(graph, x, sizes, states)  # a GRU node takes float32 only
        axis0, axis1 = graph.constant("axis0", [0]), graph.constant("axis1", [1])
        biases = np.concatenate([self._in_order(linear.bias) for linear in both])
        outputs, after = graph.add_many(
            "GRU",
            x,
            graph.constant(f"{self._name}.W", self._in_order(both[0].weight)[None]),
            graph.constant(f"{self._name}.R", self._in_order(both[1].weight)[None]),
            graph.constant(f"{self._name}.b", biases[None]),
            "",
            graph.add("Unsqueeze", states[0], axis0),
            names=["layer_output", "state"],
            hidden_size=self.output,
            linear_before_reset=1,
        )
        return graph.add("Squeeze", outputs, axis1), [graph.add("Squeeze", after, axis0)]

    @staticmethod
    def _in_order(gates: Tensor) -> NDArray[np.float32]:
        """Reorder torch's gates r, z, n to ONNX's z, r, n."""
        reset, update, new = np.split(as_numpy(gates), 3)
        return np.concatenate([update, reset, new])
