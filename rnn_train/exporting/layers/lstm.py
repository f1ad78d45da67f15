"""A layer of `nn.LSTM` as ONNX nodes, in float and in integers (Hochreiter & Schmidhuber, 1997)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from rnn_train.exporting.graph import FLOAT, INT32, Graph
from rnn_train.exporting.integer_nodes import bounded_integers, integer_product
from rnn_train.exporting.layers.layer import Layer, Scanned, Stepped, as_numpy
from rnn_train.exporting.products import IntegerProducts, Products
from rnn_train.exporting.quantization import INPUT_STEP, quantize_columns

CUT_SUFFIXES = (".sigmoid", ".tanh")
"""How the names of the two parts of a recurrent matrix end, in a file that holds it in parts."""


def lstm_layer(index: int, lstm: nn.LSTM, products: Products) -> "LSTMLayer":
    """Return the layer of an `nn.LSTM`; layers above the first add int8 products as integers."""
    names = ("weight_ih_l0", "weight_hh_l0")
    large = all(products.rounds(as_numpy(lstm.get_parameter(name))) for name in names)
    # Integers of different steps cannot be added. The input of an upper layer is a state h: it
    # lies in [-1, 1] like the layer's own state, so both can share their steps.
    if isinstance(products, IntegerProducts) and index and large:
        return IntegerLSTMLayer(index, lstm, products)
    return LSTMLayer(index, lstm, products)


class LSTMLayer(Layer):
    """A layer of `nn.LSTM` (one layer, one direction).

    gates = W x + R h + b;  i, f, o = sigmoid(gates);  g = tanh(gates)
    c' = f c + i g;  h' = o tanh(c')
    """

    def __init__(self, index: int, lstm: nn.LSTM, products: Products) -> None:
        self._name = f"lstm{index}"
        self._above = index > 0  # then its input is a state h, which lies in [-1, 1]
        self._products = products
        width = lstm.hidden_size
        self.states = {f"h{index}": width, f"c{index}": width}
        self.projected = 4 * width
        self.output = width
        # torch orders the gates i, f, g, o. In the order i, f, o, g one node takes all sigmoids.
        order = np.concatenate([np.arange(k * width, (k + 1) * width) for k in (0, 1, 3, 2)])
        weights = {name: as_numpy(value)[order] for name, value in lstm.named_parameters()}
        self._input = weights["weight_ih_l0"].T
        self.input = len(self._input)
        self._recurrent = weights["weight_hh_l0"].T
        self._bias = weights["bias_ih_l0"] + weights["bias_hh_l0"]

    def project(self, graph: Graph, x: str, by_time: bool = False) -> str:
        bias = graph.constant(f"{self._name}.b", self._bias)
        return self._products.linear(
            graph, x, f"{self._name}.W", self._input, bias, bounded=self._above, by_time=by_time
        )

    def table(self, embedding: Tensor) -> NDArray[np.float32]:
        table: NDArray[np.float32] = as_numpy(embedding) @ self._input + self._bias
        return table

    def step(self, graph: Graph, projected: str, states: Sequence[str]) -> Stepped:
        if self._takes_activations(graph):
            return self.step_scanned(graph, self._cut(graph, projected), states)
        h, c = states
        gates = self._products.linear(
            graph, h, f"{self._name}.R", self._recurrent, projected, bounded=True
        )
        return self._apply_gates(graph, self._activated(graph, gates), c)

    def scanned(self, graph: Graph, projected: str) -> list[Scanned]:
        if not self._takes_activations(graph):
            return super().scanned(graph, projected)
        return list(zip(self._cut(graph, projected), self._gate_sizes, strict=True))

    def step_scanned(self, graph: Graph, now: Sequence[str], states: Sequence[str]) -> Stepped:
        if not self._takes_activations(graph):
            return super().step_scanned(graph, now, states)
        h, c = states
        weights = np.split(self._recurrent, self._gate_sizes[:1], axis=1)
        activated = []
        for weight, own, kind, suffix in zip(
            weights, now, ("Sigmoid", "Tanh"), CUT_SUFFIXES, strict=True
        ):
            name = f"{self._name}.R{suffix}"
            sums = graph.add("Gemm", h, graph.constant(name, weight), own, name=f"{name}.out")
            activated.append(graph.add(kind, sums))
        i, f, o = graph.add_many(
            "Split", activated[0], names=["i", "f", "o"], axis=1, num_outputs=3
        )
        return self._apply_gates(graph, [i, f, o, activated[1]], c)

    @property
    def _gate_sizes(self) -> tuple[int, int]:
        """The widths of the gates with a sigmoid, and of those with a tanh."""
        return 3 * self.output, self.output

    def _takes_activations(self, graph: Graph) -> bool:
        """Whether a product for each activation is faster than one product of all gates.

        onnxruntime computes a Gemm and the activation of its whole result as one node. The numbers
        are the same bits. A rounded product has other nodes in between, and a graph of fixed steps
        is for engines and devices that do not join the two.
        """
        return not graph.capturable and not self._products.rounds(self._recurrent)

    def _cut(self, graph: Graph, gates: str) -> list[str]:
        """Add a cut of [..., 4 width] between the gates with a sigmoid and the one with a tanh."""
        sizes = graph.constant("gate_sizes", list(self._gate_sizes))
        return graph.add_many("Split", gates, sizes, names=["sigmoids", "candidate"], axis=-1)

    def _apply_gates(self, graph: Graph, gates: Sequence[str], c: str) -> Stepped:
        """Add the step from the activations i, f, o and g, [batch, width] each: h', [h', c']."""
        i, f, o, candidate = gates
        kept = graph.add("Mul", f, c, name="kept")
        new = graph.add("Mul", i, candidate, name="new")
        c = graph.add("Add", kept, new, name="c_next")
        h = graph.add("Mul", o, graph.add("Tanh", c), name="h_next")
        return h, [h, c]

    def _activated(self, graph: Graph, gates: str) -> list[str]:
        """Add the activations of i, f, o and g, [batch, width] each, from their sums."""
        if graph.capturable:  # it may split into parts of one size only
            names = ["i", "f", "o", "candidate"]
            parts = graph.add_many("Split", gates, names=names, axis=1, num_outputs=4)
            kinds = ["Sigmoid"] * 3 + ["Tanh"]
            return [graph.add(kind, part) for kind, part in zip(kinds, parts, strict=True)]
        sigmoids, candidate = self._cut(graph, gates)
        sigmoids = graph.add("Sigmoid", sigmoids)
        candidate = graph.add("Tanh", candidate)
        i, f, o = graph.add_many("Split", sigmoids, names=["i", "f", "o"], axis=1, num_outputs=3)
        return [i, f, o, candidate]


class IntegerLSTMLayer(LSTMLayer):
    """An upper layer whose input product and recurrent product are added as integers.

    Both matrices share the steps of their columns, so the sum W x + R h is an exact integer, in
    any order of addition.
    """

    projected_type = INT32

    def __init__(self, index: int, lstm: nn.LSTM, products: IntegerProducts) -> None:
        super().__init__(index, lstm, products)
        self._integers, self._steps = quantize_columns(
            np.concatenate([self._input, self._recurrent])
        )

    def project(self, graph: Graph, x: str, by_time: bool = False) -> str:
        input_, _ = self._integer_weights(graph)
        whole = bounded_integers(graph, x, self.input if by_time else None)
        return integer_product(graph, whole, input_)

    def step(self, graph: Graph, projected: str, states: Sequence[str]) -> Stepped:
        h, c = states
        _, recurrent = self._integer_weights(graph)
        own = integer_product(graph, bounded_integers(graph, h), recurrent)
        gates = self._scaled(graph, graph.add("Add", projected, own))
        return self._apply_gates(graph, self._activated(graph, gates), c)

    def advance(self, graph: Graph, x: str, states: Sequence[str]) -> Stepped:
        # One product of [x, h] and the joined matrices takes the place of two.
        h, c = states
        if graph.capturable:  # such a graph has no use of W or R alone
            weights = graph.constant(f"{self._name}.WR.q", self._integers)
        else:
            root = graph.root
            weights = root.add("Concat", *self._integer_weights(root), axis=0, name="both_weights")
        inputs = [bounded_integers(graph, each) for each in (x, h)]
        both = graph.add("Concat", *inputs, axis=1, name="both_inputs")
        gates = self._scaled(graph, integer_product(graph, both, weights))
        return self._apply_gates(graph, self._activated(graph, gates), c)

    def _integer_weights(self, graph: Graph) -> tuple[str, str]:
        """Add the integers of W [input, 4 width] and of R [width, 4 width]."""
        size = len(self._input)
        return (
            graph.constant(f"{self._name}.W.q", self._integers[:size]),
            graph.constant(f"{self._name}.R.q", self._integers[size:]),
        )

    def _scaled(self, graph: Graph, product: str) -> str:
        """Add the gates' sums in float: integers [batch, 4 width] times steps, plus the bias."""
        value = graph.add("Cast", product, to=FLOAT, name="product_float")
        steps = graph.constant(f"{self._name}.step", self._steps * INPUT_STEP)
        value = graph.add("Mul", value, steps, name="scaled")
        return graph.add("Add", value, graph.constant(f"{self._name}.b", self._bias))
