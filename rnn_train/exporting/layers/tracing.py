"""From a torch module to ONNX nodes: torch's exporter traces it, then its nodes are copied.

The copy leaves out everything that would tell of the exporting machine, such as file paths.
"""

import io
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

import click
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import nn

from rnn_infer import contract
from rnn_infer.errors import check_memory
from rnn_train.errors import ExportError
from rnn_train.exporting import capture
from rnn_train.exporting.graph import Graph
from rnn_train.exporting.products import Products


def trace(module: nn.Module, widths: Sequence[int]) -> onnx.GraphProto:
    """Return the ONNX graph of a module whose inputs are all [batch, width].

    Raises:
        ExportError: torch cannot trace it, for instance because it branches on values.
    """
    shape: Any = {0: torch.export.Dim("batch")}
    forward: Callable[..., Any] = module.forward
    star = forward.__code__.co_flags & 0x04  # *state counts as one argument
    shapes = (shape, tuple(shape for _ in widths[1:])) if star else (shape,)
    try:
        with _silence():
            program = torch.onnx.export(
                module.eval(),
                tuple(torch.zeros(2, width) for width in widths),
                dynamo=True,
                dynamic_shapes=shapes,
                opset_version=contract.OPSET,
                verbose=False,
            )
    except Exception as error:
        check_memory(error)
        cause = error.__cause__ or error
        first = click.unstyle((str(cause).strip().splitlines() or ["no reason given"])[0])
        raise ExportError(
            "the cell cannot be traced; write its step with tensor operations alone, without `if` "
            f"on their values ({type(cause).__name__}: {first[:200]})"
        ) from error
    assert program is not None
    graph: onnx.GraphProto = program.model_proto.graph
    return graph


@contextmanager
def _silence() -> Iterator[None]:
    """Keep torch's exporter from printing, warning and logging."""
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
            yield
    finally:
        logger.setLevel(level)


def copy_into(
    graph: Graph, source: onnx.GraphProto, name: str, inputs: Sequence[str], products: Products
) -> list[str]:
    """Copy the nodes of `source` into `graph`.

    Args:
        graph: gets the nodes.
        source: a traced graph.
        name: starts the names of the copied nodes and weights.
        inputs: the values in `graph` that stand for the inputs of `source`.
        products: compute its products with constant matrices.

    Returns:
        The names of its outputs in `graph`.

    Raises:
        ExportError: it uses an operator that a model file must not hold.
    """
    return _Copy(graph, source, name, inputs, products).run()


class _Copy:
    """One copy of a traced graph into another graph."""

    def __init__(
        self,
        graph: Graph,
        source: onnx.GraphProto,
        name: str,
        inputs: Sequence[str],
        products: Products,
    ) -> None:
        self._graph = graph
        self._source = source
        self._name = name
        self._products = products
        self._weights = {t.name: numpy_helper.to_array(t) for t in source.initializer}
        self._widths = _widths(source)
        # From the names of values in `source` to their names in `graph`.
        self._renamed = {"": ""}
        self._renamed |= {v.name: given for v, given in zip(source.input, inputs, strict=True)}

    def run(self) -> list[str]:
        for node in self._source.node:
            if node.domain or node.op_type not in contract.OPERATORS:
                raise ExportError(
                    f"the cell uses {node.domain or 'ai.onnx'}.{node.op_type}, which a model file "
                    "must not hold; write it with the operators listed in rnn_infer/contract.py"
                )
            self._renamed |= dict(zip(node.output, self._node(node), strict=True))
        return [self._renamed[value.name] for value in self._source.output]

    def _node(self, node: onnx.NodeProto) -> list[str]:
        """Add one node, or the nodes that take its place, and return the names of its outputs."""
        graph = self._graph
        attributes = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
        weight = _product_weight(node, attributes, self._weights)
        # Only a matrix [batch, width] has its rows where rounding looks for them.
        plain = node.input[0] in self._widths
        if plain and weight is not None and self._products.rounds(weight):
            bias = self._value(node.input[2]) if len(node.input) > 2 else ""
            x, hint = self._value(node.input[0]), self._hint(node.input[1])
            return [self._products.linear(graph, x, hint, weight, bias)]
        names = [f"{self._name}.{node.op_type.lower()}" for _ in node.output]
        if node.op_type == "Split" and node.input[1:] and node.input[1] in self._weights:
            sizes = [int(each) for each in self._weights[node.input[1]]]
            axis = attributes.get("axis", 0)
            return capture.split(graph, self._value(node.input[0]), sizes, names, axis)
        inputs = [self._value(each) for each in node.input]
        widths = [self._widths.get(each, 0) for each in node.input]
        if node.op_type == "Concat" and attributes["axis"] in (1, -1) and all(widths):
            return [capture.join(graph, inputs, widths, names[0])]
        return graph.add_many(node.op_type, *inputs, names=names, **attributes)

    def _value(self, value: str) -> str:
        """Return the name in `graph` of a value of `source`. A weight is added when first used."""
        if value in self._weights and value not in self._renamed:
            self._renamed[value] = self._graph.constant(self._hint(value), self._weights[value])
        return self._renamed[value]

    def _hint(self, weight: str) -> str:
        return f"{self._name}.{weight.removeprefix('cell.')}"


def _widths(graph: onnx.GraphProto) -> dict[str, int]:
    """Return the widths of all values with two axes, [batch, width]; 0: not fixed."""
    found = {}
    for value in [*graph.input, *graph.value_info, *graph.output]:
        dims = value.type.tensor_type.shape.dim
        if len(dims) == 2:
            found[value.name] = dims[1].dim_value
    return found


def _product_weight(
    node: onnx.NodeProto, attributes: dict[str, Any], weights: dict[str, NDArray[Any]]
) -> NDArray[Any] | None:
    """Return the constant [in, out] by which a node multiplies its first input, or None."""
    if node.op_type not in ("MatMul", "Gemm") or node.input[1] not in weights:
        return None
    if attributes.get("transA") or {attributes.get("alpha", 1), attributes.get("beta", 1)} != {1}:
        return None
    weight = weights[node.input[1]]
    return weight.T if attributes.get("transB") else weight
