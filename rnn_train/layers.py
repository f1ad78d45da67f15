"""One recurrent layer as ONNX nodes: the LSTM by hand, any other cell by tracing its step."""

import io
import logging
import warnings
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from typing import Any, Protocol

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from rnn_infer import contract
from rnn_train.cells import Cell
from rnn_train.errors import ExportError
from rnn_train.graph import Graph


class Layer(Protocol):
    """How the exporter sees a recurrent layer: a product of the input alone, then a step."""

    states: dict[str, int]
    """Name and width of each state tensor of the model file."""
    projected: int
    """Width of what `project` gives."""
    output: int
    """Width of what the layer above sees."""

    def project(self, graph: Graph, x: str) -> str:
        """Adds the part that needs x alone: [n, in] → [n, projected]."""

    def table(self, embedding: Tensor) -> NDArray[np.float32]:
        """`project` of every row of an embedding."""

    def step(self, graph: Graph, x: str, states: Sequence[str]) -> tuple[str, list[str]]:
        """Adds one step: projected [batch, projected] and states → output, next states."""


class LSTMLayer:
    """A layer of `nn.LSTM` (one layer, one direction)."""

    def __init__(self, index: int, lstm: nn.LSTM) -> None:
        self._name = f"lstm{index}"
        width = lstm.hidden_size
        self.states = {f"h{index}": width, f"c{index}": width}
        self.projected = 4 * width
        self.output = width
        # torch orders the gates i, f, g, o; the three sigmoids side by side take one node.
        order = np.concatenate([np.arange(k * width, (k + 1) * width) for k in (0, 1, 3, 2)])
        weights = {name: _numpy(value)[order] for name, value in lstm.named_parameters()}
        self._input = weights["weight_ih_l0"].T
        self._recurrent = weights["weight_hh_l0"].T
        self._bias = weights["bias_ih_l0"] + weights["bias_hh_l0"]

    def project(self, graph: Graph, x: str) -> str:
        bias = graph.constant(f"{self._name}.b", self._bias)
        return graph.linear(x, f"{self._name}.W", self._input, bias)

    def table(self, embedding: Tensor) -> NDArray[np.float32]:
        table: NDArray[np.float32] = _numpy(embedding) @ self._input + self._bias
        return table

    def step(self, graph: Graph, x: str, states: Sequence[str]) -> tuple[str, list[str]]:
        h, c = states
        width = self.output
        gates = graph.linear(h, f"{self._name}.R", self._recurrent, bias=x)
        sizes = graph.constant("gate_sizes", [3 * width, width])
        sigmoids, candidate = graph.add_many(
            "Split", gates, sizes, names=["sigmoids", "candidate"], axis=1
        )
        sigmoids = graph.add("Sigmoid", sigmoids)
        candidate = graph.add("Tanh", candidate)
        i, f, o = graph.add_many("Split", sigmoids, names=["i", "f", "o"], axis=1, num_outputs=3)
        kept = graph.add("Mul", f, c, name="kept")
        new = graph.add("Mul", i, candidate, name="new")
        c = graph.add("Add", kept, new, name="c_next")
        h = graph.add("Mul", o, graph.add("Tanh", c), name="h_next")
        return h, [h, c]


class TracedLayer:
    """Any `Cell`: its step is traced by torch's own exporter, then copied in, names and all else
    that tells of the exporting machine left behind."""

    def __init__(self, index: int, cell: Cell) -> None:
        self._name = f"cell{index}"
        self._cell = cell
        self.states = {f"{name}{index}": width for name, width in cell.state_sizes.items()}
        with torch.inference_mode():
            probe = cell.project(torch.zeros(2, cell.input_size))
        self.projected = probe.shape[-1]
        self.output = cell.output_size
        self._step: onnx.GraphProto | None = None

    def project(self, graph: Graph, x: str) -> str:
        if type(self._cell).project is Cell.project:
            return x
        traced = _trace(_Project(self._cell), [self._cell.input_size])
        return _copy(traced, graph, self._name, [x])[0]

    def table(self, embedding: Tensor) -> NDArray[np.float32]:
        with torch.inference_mode():
            return _numpy(self._cell.project(embedding))

    def step(self, graph: Graph, x: str, states: Sequence[str]) -> tuple[str, list[str]]:
        if self._step is None:
            widths = [self.projected, *self._cell.state_sizes.values()]
            self._step = _trace(_Step(self._cell), widths)
        output, *after = _copy(self._step, graph, self._name, [x, *states])
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
        first = (str(error).strip().splitlines() or ["no reason given"])[0]
        raise ExportError(f"the cell cannot be traced: {type(error).__name__}: {first}") from error
    finally:
        logger.setLevel(level)
    assert program is not None
    graph: onnx.GraphProto = program.model_proto.graph
    return graph


def _copy(source: onnx.GraphProto, graph: Graph, name: str, inputs: Sequence[str]) -> list[str]:
    """Copies the nodes of `source` into `graph`; returns the names of its outputs there."""
    renamed = {"": ""}
    renamed |= {value.name: given for value, given in zip(source.input, inputs, strict=True)}
    for tensor in source.initializer:
        hint = f"{name}.{tensor.name.removeprefix('cell.')}"
        renamed[tensor.name] = graph.constant(hint, numpy_helper.to_array(tensor))
    for node in source.node:
        allowed = contract.STANDARD_OPS if not node.domain else frozenset()
        if node.op_type not in allowed:
            raise ExportError(
                f"the cell uses {node.domain or 'ai.onnx'}.{node.op_type}, which a model file may "
                "not hold; write it with the operators listed in rnn_infer/contract.py"
            )
        attributes = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
        outputs = graph.add_many(
            node.op_type,
            *(renamed[each] for each in node.input),
            names=[f"{name}.{node.op_type.lower()}" for _ in node.output],
            **attributes,
        )
        renamed |= dict(zip(node.output, outputs, strict=True))
    return [renamed[value.name] for value in source.output]


def _numpy(tensor: Tensor) -> NDArray[np.float32]:
    return tensor.detach().cpu().float().numpy()
