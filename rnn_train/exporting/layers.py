"""One recurrent layer as ONNX nodes: the LSTM by hand, any other cell by tracing its step."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from rnn_train.exporting.graph import FLOAT, INT32, Graph
from rnn_train.exporting.quantization import INPUT_STEP, quantize_columns


class Layer(ABC):
    """How the exporter sees a recurrent layer: a product of the input alone, then a step."""

    states: dict[str, int]
    """Name and width of each state tensor of the model file."""
    input: int
    """Width of what it is given."""
    projected: int
    """Width of what `project` gives."""
    output: int
    """Width of what the layer above sees."""

    @abstractmethod
    def project(self, graph: Graph, x: str) -> tuple[str, int]:
        """Adds the part that needs x alone: [n, in] → [n, projected], and its element type."""

    @abstractmethod
    def table(self, embedding: Tensor) -> NDArray[np.float32]:
        """`project` of every row of an embedding, float32."""

    @abstractmethod
    def step(
        self, graph: Graph, projected: str, kind: int, states: Sequence[str]
    ) -> tuple[str, list[str]]:
        """Adds one step: projected [batch, projected] and states → output, next states."""

    def steps(
        self, graph: Graph, projected: str, kind: int, states: Sequence[str]
    ) -> tuple[str, list[str]]:
        """Adds all steps: projected [time, batch, projected] → [time, batch, output], last states.
        To the same numbers as `step`."""
        body = graph.subgraph("steps")
        widths = list(self.states.values())
        states_in = [body.input("scan_state", FLOAT, ["batch", width]) for width in widths]
        x = body.input("scan_x", kind, ["batch", self.projected])
        output, states_out = self.step(body, x, kind, states_in)
        for value, width in zip(states_out, widths, strict=True):
            body.output(value, FLOAT, ["batch", width])
        body.output(output, FLOAT, ["batch", self.output], name=body.fresh("scan_y"))
        *after, outputs = graph.add_many(
            "Scan",
            *states,
            projected,
            names=[*("state" for _ in states), "layer_output"],
            body=body.proto(),
            num_scan_inputs=1,
        )
        return outputs, after

    def sequence(
        self, graph: Graph, x: str, sizes: str, states: Sequence[str]
    ) -> tuple[str, list[str]]:
        """Adds `project` and `steps` of all times: x [time, batch, in], whose `sizes` are
        [time, batch] → [time, batch, output], last states."""
        projected, kind = self.project(graph, graph.rows(x, self.input))
        return self.steps(graph, graph.by_time(projected, sizes, self.projected), kind, states)

    def advance(self, graph: Graph, x: str, states: Sequence[str]) -> tuple[str, list[str]]:
        """Adds `project` and `step` at once, to the same numbers: x [batch, in] is used nowhere
        else, so both may share work."""
        return self.step(graph, *self.project(graph, x), states)


class LSTMLayer(Layer):
    """A layer of `nn.LSTM` (one layer, one direction)."""

    def __init__(self, index: int, lstm: nn.LSTM) -> None:
        self._name = f"lstm{index}"
        self._above = index > 0  # then its input is a state h, in [-1, 1] like its own
        width = lstm.hidden_size
        self.states = {f"h{index}": width, f"c{index}": width}
        self.projected = 4 * width
        self.output = width
        # torch orders the gates i, f, g, o; the three sigmoids side by side take one node.
        order = np.concatenate([np.arange(k * width, (k + 1) * width) for k in (0, 1, 3, 2)])
        weights = {name: as_numpy(value)[order] for name, value in lstm.named_parameters()}
        self._input = weights["weight_ih_l0"].T
        self.input = len(self._input)
        self._recurrent = weights["weight_hh_l0"].T
        self._bias = weights["bias_ih_l0"] + weights["bias_hh_l0"]
        self._integers, self._steps = quantize_columns(
            np.concatenate([self._input, self._recurrent])
        )

    def project(self, graph: Graph, x: str) -> tuple[str, int]:
        if self._whole(graph):
            input_, _ = self._integer_weights(graph)
            return graph.integer_product(graph.rounded_bounded(x), input_), INT32
        bias = graph.constant(f"{self._name}.b", self._bias)
        return graph.linear(x, f"{self._name}.W", self._input, bias, self._above), FLOAT

    def table(self, embedding: Tensor) -> NDArray[np.float32]:
        table: NDArray[np.float32] = as_numpy(embedding) @ self._input + self._bias
        return table

    def step(
        self, graph: Graph, projected: str, kind: int, states: Sequence[str]
    ) -> tuple[str, list[str]]:
        h, c = states
        if kind == INT32:
            _, recurrent = self._integer_weights(graph)
            own = graph.integer_product(graph.rounded_bounded(h), recurrent)
            return self._gates(graph, self._scaled(graph, graph.add("Add", projected, own)), c)
        name = f"{self._name}.R"
        return self._gates(graph, graph.linear(h, name, self._recurrent, projected, True), c)

    def advance(self, graph: Graph, x: str, states: Sequence[str]) -> tuple[str, list[str]]:
        if not self._whole(graph):
            return super().advance(graph, x, states)
        # Sums of integers are exact in any order: one product does the work of two.
        h, c = states
        root = graph.root
        weights = root.add("Concat", *self._integer_weights(root), axis=0, name="both_weights")
        inputs = [graph.rounded_bounded(each) for each in (x, h)]
        both = graph.add("Concat", *inputs, axis=1, name="both_inputs")
        return self._gates(graph, self._scaled(graph, graph.integer_product(both, weights)), c)

    def _whole(self, graph: Graph) -> bool:
        """Whether input and recurrent products are added as integers."""
        return (
            graph.integers
            and self._above
            and graph.rounds(self._input)
            and graph.rounds(self._recurrent)
        )

    def _integer_weights(self, graph: Graph) -> tuple[str, str]:
        """Of the input and of the state, with steps in common."""
        size = len(self._input)
        return (
            graph.constant(f"{self._name}.W.q", self._integers[:size]),
            graph.constant(f"{self._name}.R.q", self._integers[size:]),
        )

    def _scaled(self, graph: Graph, product: str) -> str:
        value = graph.add("Cast", product, to=FLOAT, name="product_float")
        steps = graph.constant(f"{self._name}.step", self._steps * INPUT_STEP)
        value = graph.add("Mul", value, steps, name="scaled")
        return graph.add("Add", value, graph.constant(f"{self._name}.b", self._bias))

    def _gates(self, graph: Graph, gates: str, c: str) -> tuple[str, list[str]]:
        """Sums [batch, 4 width] of the gates i, f, o, and of the candidate → h, [h, c]."""
        i, f, o, candidate = self._activated(graph, gates)
        kept = graph.add("Mul", f, c, name="kept")
        new = graph.add("Mul", i, candidate, name="new")
        c = graph.add("Add", kept, new, name="c_next")
        h = graph.add("Mul", o, graph.add("Tanh", c), name="h_next")
        return h, [h, c]

    def _activated(self, graph: Graph, gates: str) -> list[str]:
        """The gates i, f, o and the candidate, [batch, width] each."""
        if graph.recorded:
            names = ["i", "f", "o", "candidate"]
            parts = graph.add_many("Split", gates, names=names, axis=1, num_outputs=4)
            kinds = ["Sigmoid"] * 3 + ["Tanh"]
            return [graph.add(kind, part) for kind, part in zip(kinds, parts, strict=True)]
        sizes = graph.constant("gate_sizes", [3 * self.output, self.output])
        sigmoids, candidate = graph.add_many(
            "Split", gates, sizes, names=["sigmoids", "candidate"], axis=1
        )
        sigmoids = graph.add("Sigmoid", sigmoids)
        candidate = graph.add("Tanh", candidate)
        i, f, o = graph.add_many("Split", sigmoids, names=["i", "f", "o"], axis=1, num_outputs=3)
        return [i, f, o, candidate]


def as_numpy(tensor: Tensor) -> NDArray[np.float32]:
    """A weight as a graph holds it."""
    return tensor.detach().cpu().float().numpy()
