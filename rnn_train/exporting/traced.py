"""Any cell as ONNX nodes: its step is traced by torch's exporter."""

import io
import logging
import warnings
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
from rnn_train.errors import ExportError
from rnn_train.exporting.graph import FLOAT, Graph
from rnn_train.exporting.layers import Layer, as_numpy
from rnn_train.models.cells import Cell


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
