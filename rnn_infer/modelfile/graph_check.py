"""Checks of a model file's header and graph: versions, operators, tensors and names."""

import math
from typing import Any

from rnn_infer import contract
from rnn_infer.modelfile import onnx_proto
from rnn_infer.modelfile.rewriter import UNUSED_DOMAINS
from rnn_infer.modelfile.violation import ViolationError, check_fields, damaged, foreign, plain_text


def check_header(model: Any) -> None:
    """Check the versions and the operator domains.

    Raises:
        ViolationError: one of them is outside the contract.
    """
    if not model.HasField("graph") or not model.opset_import:
        raise damaged("it holds no graph")
    check_fields(model, "the model")
    if model.ir_version not in contract.IR_VERSIONS:
        raise ViolationError(
            f"ONNX IR version {model.ir_version} is outside "
            f"{contract.IR_VERSIONS.start}..{contract.IR_VERSIONS.stop - 1}: too new or too old"
        )
    seen = set()
    for opset in model.opset_import:
        check_fields(opset, "opset_import")
        domain = plain_text(opset.domain, "an opset domain")
        if domain in seen:
            raise damaged(f"opset domain {domain!r} appears twice")
        seen.add(domain)
        if domain and domain not in UNUSED_DOMAINS:
            raise foreign(f"it uses operator domain {domain!r} version {opset.version}")
        if not domain and opset.version not in contract.OPSETS:
            raise ViolationError(
                f"opset {opset.version} is outside "
                f"{contract.OPSETS.start}..{contract.OPSETS.stop - 1}: too new or too old"
            )
    if "" not in seen:
        raise foreign("it does not import the standard operators")


def check_graph(graph: Any) -> frozenset[str]:
    """Check every node, tensor and name of a graph and its subgraphs.

    Returns:
        The operators that the graph uses.

    Raises:
        ViolationError: something is outside the contract.
    """
    walk = _Walk()
    walk.graph(graph, depth=1)
    return frozenset(walk.operators)


class _Walk:
    """Visits every node and tensor, also in subgraphs."""

    def __init__(self) -> None:
        self.nodes = 0
        self.operators: set[str] = set()

    def graph(self, graph: Any, depth: int) -> None:
        if depth > contract.MAX_NESTING:
            raise foreign("its graphs are nested too deeply")
        check_fields(graph, "a graph")
        self.nodes += len(graph.node)
        if self.nodes > contract.MAX_NODES:
            raise foreign("it has too many nodes")
        for tensor in graph.initializer:
            self.tensor(tensor)
        for value in (*graph.input, *graph.output, *graph.value_info):
            shape = value.type.tensor_type.shape
            for part in (value, value.type, value.type.tensor_type, shape, *shape.dim):
                check_fields(part, "an input, output or value")
        _check_names(graph)
        for node in graph.node:
            self.node(node, depth)

    def node(self, node: Any, depth: int) -> None:
        op = plain_text(node.op_type, "an operator name")
        check_fields(node, f"a {op:.40} node")
        domain = plain_text(node.domain, "an operator domain")
        if domain or op not in contract.OPERATORS:
            shown = f"{domain}.{op}" if domain else op
            raise foreign(f"operator {shown[:80]!r} is not on the allow-list")
        self.operators.add(op)
        for attribute in node.attribute:
            self.attribute(attribute, op, depth)

    def attribute(self, attribute: Any, op: str, depth: int) -> None:
        check_fields(attribute, f"an attribute of {op}")
        field = onnx_proto.ATTRIBUTE_FIELDS.get(attribute.type)
        if field is None:
            raise foreign(f"an attribute of {op} has type {attribute.type}")
        if attribute.HasField("g"):
            if op not in ("Loop", "Scan", "If"):
                raise foreign(f"{op} carries a subgraph")
            self.graph(attribute.g, depth + 1)
        if attribute.HasField("t"):
            self.tensor(attribute.t)

    def tensor(self, tensor: Any) -> None:
        name = plain_text(tensor.name, "a tensor name")[:80]
        check_fields(tensor, f"tensor {name!r}")
        if tensor.external_data or tensor.data_location:
            raise foreign(f"tensor {name!r} keeps its data in another file")
        kind = onnx_proto.DATA_TYPES.get(tensor.data_type)
        if kind is None:
            raise foreign(f"tensor {name!r} has element type {tensor.data_type}")
        if any(not 0 <= dim <= contract.MAX_FILE_BYTES for dim in tensor.dims):
            raise damaged(f"tensor {name!r} has an impossible shape")
        count = math.prod(tensor.dims)
        if tensor.HasField("raw_data"):
            held = len(tensor.raw_data) / kind.size
        else:
            held = len(getattr(tensor, kind.field))
        if held != count:
            raise damaged(f"tensor {name!r} holds {held:g} elements where its shape says {count}")


def _check_names(graph: Any) -> None:
    """Check that each value is computed once, and before it is used. So there are no cycles."""
    given = {value.name for value in graph.input}
    if len(given) != len(graph.input):
        raise damaged("a graph input appears twice")
    initializers = {tensor.name for tensor in graph.initializer}
    if len(initializers) != len(graph.initializer) or given & initializers:
        raise damaged("the name of an initializer appears twice")
    given |= initializers
    own = {output for node in graph.node for output in node.output if output}
    for node in graph.node:
        for used in node.input:
            # onnxruntime checks the names that come from an enclosing graph.
            if used in own and used not in given:
                name = plain_text(used, "a value's name")[:80]
                raise damaged(f"value {name!r} is used before it is computed")
        for output in node.output:
            if output and output in given:
                name = plain_text(output, "a value's name")[:80]
                raise damaged(f"value {name!r} is computed twice")
            given.add(output)
