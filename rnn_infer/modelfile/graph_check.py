"""The graph of a model file, held against the contract before anything runs it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from rnn_infer import contract
from rnn_infer.contract import Metadata
from rnn_infer.modelfile import onnx_proto
from rnn_infer.modelfile.violation import ViolationError, check_fields, damaged, foreign, plain_text

_INT64, _FLOAT32 = 7, 1


@dataclass(frozen=True)
class StateSpec:
    """One state tensor, float32 [batch, width], zero at the start of a stream."""

    name: str
    width: int


def check_header(model: Any) -> None:
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
            raise damaged(f"opset domain {domain!r} stands twice")
        seen.add(domain)
        if domain:
            raise foreign(f"it uses operator domain {domain!r} version {opset.version}")
        if opset.version not in contract.OPSETS:
            raise ViolationError(
                f"opset {opset.version} is outside "
                f"{contract.OPSETS.start}..{contract.OPSETS.stop - 1}: too new or too old"
            )


class Walk:
    """Visits every node and tensor, subgraphs included, and refuses what is not allowed."""

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
    """Names of values are given once, and used only after they are given (so no cycles)."""
    given = {value.name for value in graph.input}
    if len(given) != len(graph.input):
        raise damaged("a graph input stands twice")
    initializers = {tensor.name for tensor in graph.initializer}
    if len(initializers) != len(graph.initializer) or given & initializers:
        raise damaged("an initializer's name stands twice")
    given |= initializers
    own = {output for node in graph.node for output in node.output if output}
    for node in graph.node:
        for used in node.input:
            # A name from an enclosing graph is none of ours to judge; onnxruntime resolves it.
            if used in own and used not in given:
                name = plain_text(used, "a value's name")[:80]
                raise damaged(f"value {name!r} is used before it is computed")
        for output in node.output:
            if output and output in given:
                name = plain_text(output, "a value's name")[:80]
                raise damaged(f"value {name!r} is computed twice")
            given.add(output)


class Interface(NamedTuple):
    """What a graph takes and gives, beside tokens and logits."""

    states: tuple[StateSpec, ...]
    generates: bool
    """Whether it draws tokens."""
    steps: int | None
    """How many tokens a call reads or draws; None: as many as are given."""


def check_interface(graph: Any, metadata: Metadata) -> Interface:
    """Inputs and outputs by name, type and shape."""
    inputs = {plain_text(value.name, "an input"): _tensor_type(value) for value in graph.input}
    outputs = {plain_text(value.name, "an output"): _tensor_type(value) for value in graph.output}
    if len(outputs) != len(graph.output):
        raise damaged("a graph output stands twice")
    state_names = [name for name in inputs if name + contract.NEXT in outputs]
    generates = contract.GENERATED in outputs
    drawing: Iterable[str] = contract.GENERATION_INPUTS if generates else ()
    _expect_names("input", inputs, {contract.TOKENS, *drawing, *state_names})
    _expect_names(
        "output",
        outputs,
        {contract.LOGITS, *(name + contract.NEXT for name in state_names)}
        | ({contract.GENERATED} if generates else set()),
    )
    if generates and metadata.kind != "charlm":
        raise ViolationError("a classifier cannot have generation inputs")
    if generates != bool(metadata.golden.generated):
        raise ViolationError("bad metadata: golden.generated goes with generation inputs")
    dynamic = None
    times = inputs[contract.TOKENS][1][1:]
    steps = times[0] if len(times) == 1 else dynamic
    if steps is not None and not 0 < steps <= contract.MAX_STEPS:
        raise ViolationError(f"it takes {steps} steps a call, not 1 to {contract.MAX_STEPS}")
    by_time = [dynamic, steps]
    expected: dict[str, tuple[int, list[int | None]]] = {contract.TOKENS: (_INT64, by_time)}
    if generates:
        expected[contract.UNIFORM] = (_FLOAT32, by_time)
        expected[contract.TEMPERATURE] = (_FLOAT32, [dynamic])
        expected[contract.TOP_K] = (_INT64, [dynamic])
        expected[contract.TOP_P] = (_FLOAT32, [dynamic])
    for name, wanted in expected.items():
        _expect_type(name, inputs[name], wanted)
    states = []
    for name in state_names:
        width = inputs[name][1][-1] if inputs[name][1] else None
        if width is None or not 0 < width <= contract.MAX_STATE_WIDTH:
            raise ViolationError(f"state {name!r} has no fixed width")
        for tensor_name, actual in (
            (name, inputs[name]),
            (name + contract.NEXT, outputs[name + contract.NEXT]),
        ):
            _expect_type(tensor_name, actual, (_FLOAT32, [dynamic, width]))
        states.append(StateSpec(name, width))
    logits = (_FLOAT32, [*by_time, metadata.outputs])
    _expect_type(contract.LOGITS, outputs[contract.LOGITS], logits)
    if generates:
        _expect_type(contract.GENERATED, outputs[contract.GENERATED], (_INT64, by_time))
    return Interface(tuple(states), generates, steps)


_TensorType = tuple[int, list[int | None]]


def _tensor_type(value: Any) -> _TensorType:
    if not value.type.HasField("tensor_type") or not value.type.tensor_type.HasField("shape"):
        raise ViolationError(
            f"{plain_text(value.name, 'a value')[:80]!r} is no tensor of known rank"
        )
    tensor = value.type.tensor_type
    dims = [dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim]
    return tensor.elem_type, dims


def _expect_names(what: str, actual: dict[str, Any], expected: set[str]) -> None:
    if missing := sorted(expected - set(actual)):
        raise ViolationError(f"{what} {missing[0]!r} is missing from the graph")
    if extra := sorted(set(actual) - expected):
        raise ViolationError(f"{what} {extra[0][:80]!r} is not in the format")


def _expect_type(name: str, actual: _TensorType, expected: _TensorType) -> None:
    if actual[0] != expected[0] or actual[1] != expected[1]:

        def shown(type_: _TensorType) -> str:
            kind = onnx_proto.DATA_TYPES.get(type_[0])
            dims = ", ".join("?" if dim is None else str(dim) for dim in type_[1])
            return f"{kind.name if kind else 'unknown'} [{dims}]"

        raise ViolationError(f"{name[:80]!r} is {shown(actual)}, not {shown(expected)}")
