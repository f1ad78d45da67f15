"""One recurrent layer as ONNX nodes: the LSTM by hand, any other cell by tracing its step."""

import io
import logging
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import click
import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from rnn_infer import contract
from rnn_train.cells import Cell
from rnn_train.errors import ExportError
from rnn_train.graph import FLOAT, INT32, Graph
from rnn_train.quantization import INPUT_STEP, quantize_columns


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


class TracedLayer(Layer):
    """Any `Cell`: its step is traced by torch's own exporter, then copied in, names and all else
    that tells of the exporting machine left behind."""

    def __init__(self, index: int, cell: Cell) -> None:
        self._name = f"cell{index}"
        self._cell = cell
        self.states = {f"{name}{index}": width for name, width in cell.state_sizes.items()}
        self.input = cell.input_size
        with torch.inference_mode():
            probe = cell.project(torch.zeros(2, cell.input_size))
        self.projected = probe.shape[-1]
        self.output = cell.output_size
        self._step: onnx.GraphProto | None = None

    def project(self, graph: Graph, x: str) -> tuple[str, int]:
        if type(self._cell).project is Cell.project:
            return x, FLOAT
        traced = _trace(_Project(self._cell), [self._cell.input_size])
        return _copy(traced, graph, self._name, [x])[0], FLOAT

    def table(self, embedding: Tensor) -> NDArray[np.float32]:
        with torch.inference_mode():
            return as_numpy(self._cell.project(embedding))

    def step(
        self, graph: Graph, projected: str, kind: int, states: Sequence[str]
    ) -> tuple[str, list[str]]:
        assert kind == FLOAT
        if self._step is None:
            widths = [self.projected, *self._cell.state_sizes.values()]
            self._step = _trace(_Step(self._cell), widths)
        output, *after = _copy(self._step, graph, self._name, [projected, *states])
        return output, after


class _Project(nn.Module):
    def __init__(self, cell: Cell) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: Tensor) -> Tensor:
        return self.cell.project(x)


class _Step(nn.Module):
    def __init__(self, cell: Cell) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        after = self.cell(x, state)
        return self.cell.output(x, after), *after


def _trace(module: nn.Module, widths: Sequence[int]) -> onnx.GraphProto:
    """An ONNX graph of `module`, all of whose inputs are [batch, width]."""
    batch = torch.export.Dim("batch")
    shape: Any = {0: batch}
    forward: Callable[..., Any] = module.forward
    star = forward.__code__.co_flags & 0x04  # *state counts as one argument
    shapes = (shape, tuple(shape for _ in widths[1:])) if star else (shape,)
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with (
            warnings.catch_warnings(),
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                module.eval(),
                tuple(torch.zeros(2, width) for width in widths),
                dynamo=True,
                dynamic_shapes=shapes,
                opset_version=contract.OPSET,
                verbose=False,
            )
    except Exception as error:
        cause = error.__cause__ or error
        first = click.unstyle((str(cause).strip().splitlines() or ["no reason given"])[0])
        raise ExportError(
            "the cell cannot be traced; write its step with tensor operations alone, no `if` on "
            f"their values ({type(cause).__name__}: {first[:200]})"
        ) from error
    finally:
        logger.setLevel(level)
    assert program is not None
    graph: onnx.GraphProto = program.model_proto.graph
    return graph


def _copy(source: onnx.GraphProto, graph: Graph, name: str, inputs: Sequence[str]) -> list[str]:
    """Copies the nodes of `source` into `graph`; returns the names of its outputs there."""
    renamed = {"": ""}
    renamed |= {value.name: given for value, given in zip(source.input, inputs, strict=True)}
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in source.initializer}

    widths = _widths(source)

    def given(value: str) -> str:
        if value in weights and value not in renamed:
            hint = f"{name}.{value.removeprefix('cell.')}"
            renamed[value] = graph.constant(hint, weights[value])
        return renamed[value]

    for node in source.node:
        if node.domain or node.op_type not in contract.OPERATORS:
            raise ExportError(
                f"the cell uses {node.domain or 'ai.onnx'}.{node.op_type}, which a model file may "
                "not hold; write it with the operators listed in rnn_infer/contract.py"
            )
        attributes = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
        weight = _weight_of_product(node, attributes, weights)
        if weight is not None and graph.rounds(weight):
            bias = given(node.input[2]) if len(node.input) > 2 else ""
            hint = f"{name}.{node.input[1].removeprefix('cell.')}"
            renamed[node.output[0]] = graph.linear(given(node.input[0]), hint, weight, bias)
            continue
        names = [f"{name}.{node.op_type.lower()}" for _ in node.output]
        if node.op_type == "Split" and node.input[1:] and node.input[1] in weights:
            cuts = [int(each) for each in weights[node.input[1]]]
            outputs = graph.split(given(node.input[0]), cuts, names, attributes["axis"])
        elif (
            node.op_type == "Concat"
            and attributes["axis"] in (1, -1)
            and all(widths.get(each) for each in node.input)
        ):
            parts = [given(each) for each in node.input]
            outputs = [graph.join(parts, [widths[each] for each in node.input], names[0])]
        else:
            inputs = [given(each) for each in node.input]
            outputs = graph.add_many(node.op_type, *inputs, names=names, **attributes)
        renamed |= dict(zip(node.output, outputs, strict=True))
    return [renamed[value.name] for value in source.output]


def _widths(graph: onnx.GraphProto) -> dict[str, int]:
    """Of the values [batch, width] in a graph; 0 where none is fixed."""
    found = {}
    for value in [*graph.input, *graph.value_info, *graph.output]:
        dims = value.type.tensor_type.shape.dim
        if len(dims) == 2:
            found[value.name] = dims[1].dim_value
    return found


def _weight_of_product(
    node: onnx.NodeProto, attributes: dict[str, Any], weights: dict[str, NDArray[Any]]
) -> NDArray[Any] | None:
    """The constant [in, out] that a node multiplies its first input by; None where it does not."""
    if node.op_type not in ("MatMul", "Gemm") or node.input[1] not in weights:
        return None
    if attributes.get("transA") or {attributes.get("alpha", 1), attributes.get("beta", 1)} != {1}:
        return None
    weight = weights[node.input[1]]
    return weight.T if attributes.get("transB") else weight


def as_numpy(tensor: Tensor) -> NDArray[np.float32]:
    """A weight as a graph holds it."""
    return tensor.detach().cpu().float().numpy()
