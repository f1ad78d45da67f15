"""Reading a model file: into bytes once, checked against the contract before anything runs it."""

import hashlib
import math
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from rnn_infer import contract, onnxproto
from rnn_infer.contract import Metadata
from rnn_infer.errors import ModelFileError
from rnn_infer.schema import SchemaError, decode, parse_json
from rnn_infer.text import Vocabulary

_INT64, _FLOAT32 = 7, 1


@dataclass(frozen=True)
class StateSpec:
    """One state tensor, float32 [batch, width], zero at the start of a stream."""

    name: str
    width: int


@dataclass(frozen=True)
class ModelFile:
    """A file that passed every check. `data` are the very bytes that were checked."""

    path: str
    data: bytes
    sha256: str
    metadata: Metadata
    states: tuple[StateSpec, ...]
    generates: bool
    """Whether the graph draws tokens itself (False: a step-only export)."""
    operators: frozenset[str]

    def not_numbers(self) -> ModelFileError:
        """The error to raise where the model answers with NaN."""
        return ModelFileError(
            f"{self.path}: answers with what are no numbers: its weights are damaged, or its "
            "training diverged; export it again"
        )


def read_model(path: str | os.PathLike[str], *, sha256: str | None = None) -> ModelFile:
    """Reads and checks a model file.

    Args:
        path: the `.onnx` file.
        sha256: refuse the file unless its bytes have this hash (hexadecimal).

    Raises:
        ModelFileError: the file cannot be read, or breaks the contract.
    """
    name = os.fspath(path)
    data = _read(Path(name))
    digest = hashlib.sha256(data).hexdigest()
    if sha256 is not None and digest != sha256.lower():
        raise ModelFileError(
            f"{name}: sha256 is {digest}, not the {sha256} asked for; fetch the file again"
        )
    try:
        return _check(name, data, digest)
    except _ViolationError as violation:
        text = str(violation)
        if not text.isprintable():  # a name in the file may hold a line end, or worse
            text = text.encode("unicode_escape").decode()
        raise ModelFileError(f"{name}: {text}") from None


class _ViolationError(Exception):
    """A broken rule; the caller adds the file's name."""


def _damaged(what: str) -> _ViolationError:
    return _ViolationError(f"damaged or not an ONNX file: {what}")


def _foreign(what: str) -> _ViolationError:
    return _ViolationError(f"not a model made by rnn-train: {what}")


def _read(path: Path) -> bytes:
    limit = contract.MAX_FILE_BYTES
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode) and not stat.S_ISDIR(facts.st_mode):
            raise ModelFileError(f"{path}: is no regular file; name the .onnx file itself")
        with path.open("rb") as stream:
            # One byte more than it says, to see that it did not grow meanwhile.
            data = stream.read(min(facts.st_size, limit) + 1)
    except FileNotFoundError:
        raise ModelFileError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise ModelFileError(f"{path}: is a folder; name the .onnx file in it") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ModelFileError(f"{path}: cannot be read ({reason})") from None
    if not data:
        raise ModelFileError(f"{path}: is empty")
    if len(data) > limit:
        shown = limit // 2**20
        raise ModelFileError(f"{path}: larger than {shown} MB, the limit for a model file")
    if len(data) != facts.st_size:
        raise ModelFileError(f"{path}: is being written just now; load it again")
    return data


def _check(name: str, data: bytes, digest: str) -> ModelFile:
    try:
        model = onnxproto.model_class().FromString(data)
    except DecodeError:
        raise _damaged("its bytes do not parse") from None
    except RecursionError:
        raise _damaged("nested too deeply") from None
    _check_header(model)
    metadata = _read_metadata(model)
    walk = _Walk()
    walk.graph(model.graph, depth=1)
    states, generates = _check_interface(model.graph, metadata)
    return ModelFile(name, data, digest, metadata, states, generates, frozenset(walk.operators))


def _check_header(model: Any) -> None:
    if not model.HasField("graph") or not model.opset_import:
        raise _damaged("it holds no graph")
    _check_fields(model, "the model")
    if model.ir_version not in contract.IR_VERSIONS:
        raise _ViolationError(
            f"ONNX IR version {model.ir_version} is outside "
            f"{contract.IR_VERSIONS.start}..{contract.IR_VERSIONS.stop - 1}: too new or too old"
        )
    seen = set()
    for opset in model.opset_import:
        _check_fields(opset, "opset_import")
        domain = _text(opset.domain, "an opset domain")
        if domain in seen:
            raise _damaged(f"opset domain {domain!r} stands twice")
        seen.add(domain)
        if domain:
            raise _foreign(f"it uses operator domain {domain!r} version {opset.version}")
        if opset.version not in contract.OPSETS:
            raise _ViolationError(
                f"opset {opset.version} is outside "
                f"{contract.OPSETS.start}..{contract.OPSETS.stop - 1}: too new or too old"
            )


def _read_metadata(model: Any) -> Metadata:
    documents = [
        entry.value for entry in model.metadata_props if entry.key == contract.METADATA_KEY.encode()
    ]
    if not documents:
        raise _foreign(f"it has no {contract.METADATA_KEY!r} metadata; export it with rnn-train")
    if len(documents) > 1 or len(model.metadata_props) > 1:
        raise _foreign(f"it has metadata beside the one {contract.METADATA_KEY!r} document")
    if len(documents[0]) > contract.MAX_METADATA_BYTES:
        raise _ViolationError("its metadata is larger than the limit")
    text = _text(documents[0], "the metadata")
    try:
        value = parse_json(text)
        version = value.get("format_version") if isinstance(value, dict) else None
        if isinstance(version, int) and version > contract.FORMAT_VERSION:
            raise _ViolationError(
                f"format version {version} is newer than {contract.FORMAT_VERSION}, "
                "the newest this rnn_infer reads; upgrade it"
            )
        metadata = decode(Metadata, value, "metadata")
    except SchemaError as error:
        raise _ViolationError(f"bad metadata: {error}") from None
    _check_metadata(metadata)
    return metadata


def _check_metadata(metadata: Metadata) -> None:
    _require(metadata.format_version == contract.FORMAT_VERSION, "format_version is not known")
    sections = {"charlm": metadata.charlm, "classifier": metadata.classifier}
    _require(
        all((section is not None) == (kind == metadata.kind) for kind, section in sections.items()),
        f"exactly the section of its kind, {metadata.kind!r}, must be there",
    )
    vocabulary = metadata.vocabulary
    _require(0 < len(vocabulary) <= contract.MAX_VOCABULARY, "vocabulary is empty or too large")
    _require(
        all(len(char) == 1 for char in vocabulary),
        "each vocabulary entry must be one Unicode character",
    )
    _require(len(set(vocabulary)) == len(vocabulary), "vocabulary repeats a character")
    unknown = metadata.text.unknown
    _require(unknown is None or 0 <= unknown < len(vocabulary), "text.unknown is no token")
    _check_sections(metadata)
    golden = metadata.golden
    tokens = golden.tokens + (golden.generated if metadata.charlm else ())
    limit = contract.MAX_GOLDEN
    _require(0 < len(golden.tokens) <= limit, "golden.tokens is empty or too long")
    _require(len(golden.uniform) <= limit, "golden.uniform is too long")
    _require(all(0 <= token < len(vocabulary) for token in tokens), "golden tokens out of range")
    _require(len(golden.logits) == metadata.outputs, "golden.logits has another width")
    _require(len(golden.generated) == len(golden.uniform), "golden: one token a uniform")
    _require(all(0 <= u < 1 for u in golden.uniform), "golden.uniform out of range")


def _check_sections(metadata: Metadata) -> None:
    """What only one kind has. The texts in it are looked up, so the text rules must not change
    them into others that the vocabulary may lack."""
    vocabulary, fixed = set(metadata.vocabulary), Vocabulary(metadata).normalize
    if metadata.charlm:
        start = metadata.charlm.start
        _require(start != "", "charlm.start is empty")
        _require(fixed(start) == start, "charlm.start is none of the texts the text rules give")
        _require(set(start) <= vocabulary, "charlm.start is not in vocabulary")
    if metadata.classifier:
        labels = metadata.classifier.labels
        _require(0 < len(labels) <= contract.MAX_LABELS, "labels are missing or too many")
        _require(len(set(labels)) == len(labels), "labels repeat")
        _require(len(metadata.classifier.log_prior) == len(labels), "one log_prior a label")
        for mark in (metadata.classifier.begin, metadata.classifier.end):
            _require(set(mark) <= vocabulary, "begin and end must be in vocabulary")
            _require(fixed(mark) == mark, "begin and end must be as the text rules give them")


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise _ViolationError(f"bad metadata: {what}")


class _Walk:
    """Visits every node and tensor, subgraphs included, and refuses what is not allowed."""

    def __init__(self) -> None:
        self.nodes = 0
        self.operators: set[str] = set()

    def graph(self, graph: Any, depth: int) -> None:
        if depth > contract.MAX_NESTING:
            raise _foreign("its graphs are nested too deeply")
        _check_fields(graph, "a graph")
        self.nodes += len(graph.node)
        if self.nodes > contract.MAX_NODES:
            raise _foreign("it has too many nodes")
        for tensor in graph.initializer:
            self.tensor(tensor)
        for value in (*graph.input, *graph.output, *graph.value_info):
            shape = value.type.tensor_type.shape
            for part in (value, value.type, value.type.tensor_type, shape, *shape.dim):
                _check_fields(part, "an input, output or value")
        _check_names(graph)
        for node in graph.node:
            self.node(node, depth)

    def node(self, node: Any, depth: int) -> None:
        op = _text(node.op_type, "an operator name")
        _check_fields(node, f"a {op:.40} node")
        domain = _text(node.domain, "an operator domain")
        if domain or op not in contract.OPERATORS:
            shown = f"{domain}.{op}" if domain else op
            raise _foreign(f"operator {shown[:80]!r} is not on the allow-list")
        self.operators.add(op)
        for attribute in node.attribute:
            self.attribute(attribute, op, depth)

    def attribute(self, attribute: Any, op: str, depth: int) -> None:
        _check_fields(attribute, f"an attribute of {op}")
        field = onnxproto.ATTRIBUTE_FIELDS.get(attribute.type)
        if field is None:
            raise _foreign(f"an attribute of {op} has type {attribute.type}")
        if attribute.HasField("g"):
            if op not in ("Loop", "Scan", "If"):
                raise _foreign(f"{op} carries a subgraph")
            self.graph(attribute.g, depth + 1)
        if attribute.HasField("t"):
            self.tensor(attribute.t)

    def tensor(self, tensor: Any) -> None:
        name = _text(tensor.name, "a tensor name")[:80]
        _check_fields(tensor, f"tensor {name!r}")
        if tensor.external_data or tensor.data_location:
            raise _foreign(f"tensor {name!r} keeps its data in another file")
        kind = onnxproto.DATA_TYPES.get(tensor.data_type)
        if kind is None:
            raise _foreign(f"tensor {name!r} has element type {tensor.data_type}")
        if any(not 0 <= dim <= contract.MAX_FILE_BYTES for dim in tensor.dims):
            raise _damaged(f"tensor {name!r} has an impossible shape")
        count = math.prod(tensor.dims)
        if tensor.HasField("raw_data"):
            held = len(tensor.raw_data) / kind.size
        else:
            held = len(getattr(tensor, kind.field))
        if held != count:
            raise _damaged(f"tensor {name!r} holds {held:g} elements where its shape says {count}")


def _check_names(graph: Any) -> None:
    """Names of values are given once, and used only after they are given (so no cycles)."""
    given = {value.name for value in graph.input}
    if len(given) != len(graph.input):
        raise _damaged("a graph input stands twice")
    initializers = {tensor.name for tensor in graph.initializer}
    if len(initializers) != len(graph.initializer) or given & initializers:
        raise _damaged("an initializer's name stands twice")
    given |= initializers
    own = {output for node in graph.node for output in node.output if output}
    for node in graph.node:
        for used in node.input:
            # A name from an enclosing graph is none of ours to judge; onnxruntime resolves it.
            if used in own and used not in given:
                name = _text(used, "a value's name")[:80]
                raise _damaged(f"value {name!r} is used before it is computed")
        for output in node.output:
            if output and output in given:
                name = _text(output, "a value's name")[:80]
                raise _damaged(f"value {name!r} is computed twice")
            given.add(output)


def _check_interface(graph: Any, metadata: Metadata) -> tuple[tuple[StateSpec, ...], bool]:
    """Inputs and outputs by name, type and shape. Returns the states and whether it draws."""
    inputs = {_text(value.name, "an input"): _tensor_type(value) for value in graph.input}
    outputs = {_text(value.name, "an output"): _tensor_type(value) for value in graph.output}
    if len(outputs) != len(graph.output):
        raise _damaged("a graph output stands twice")
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
        raise _ViolationError("a classifier cannot have generation inputs")
    if generates != bool(metadata.golden.generated):
        raise _ViolationError("bad metadata: golden.generated goes with generation inputs")
    dynamic = None
    expected: dict[str, tuple[int, list[int | None]]] = {contract.TOKENS: (_INT64, [dynamic] * 2)}
    if generates:
        expected[contract.UNIFORM] = (_FLOAT32, [dynamic] * 2)
        expected[contract.TEMPERATURE] = (_FLOAT32, [dynamic])
        expected[contract.TOP_K] = (_INT64, [dynamic])
        expected[contract.TOP_P] = (_FLOAT32, [dynamic])
    for name, wanted in expected.items():
        _expect_type(name, inputs[name], wanted)
    states = []
    for name in state_names:
        width = inputs[name][1][-1] if inputs[name][1] else None
        if width is None or not 0 < width <= contract.MAX_STATE_WIDTH:
            raise _ViolationError(f"state {name!r} has no fixed width")
        for tensor_name, actual in (
            (name, inputs[name]),
            (name + contract.NEXT, outputs[name + contract.NEXT]),
        ):
            _expect_type(tensor_name, actual, (_FLOAT32, [dynamic, width]))
        states.append(StateSpec(name, width))
    logits = (_FLOAT32, [dynamic, dynamic, metadata.outputs])
    _expect_type(contract.LOGITS, outputs[contract.LOGITS], logits)
    if generates:
        _expect_type(contract.GENERATED, outputs[contract.GENERATED], (_INT64, [dynamic, dynamic]))
    return tuple(states), generates


_TensorType = tuple[int, list[int | None]]


def _tensor_type(value: Any) -> _TensorType:
    if not value.type.HasField("tensor_type") or not value.type.tensor_type.HasField("shape"):
        raise _ViolationError(f"{_text(value.name, 'a value')[:80]!r} is no tensor of known rank")
    tensor = value.type.tensor_type
    dims = [dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim]
    return tensor.elem_type, dims


def _expect_names(what: str, actual: dict[str, Any], expected: set[str]) -> None:
    if missing := sorted(expected - set(actual)):
        raise _ViolationError(f"{what} {missing[0]!r} is missing from the graph")
    if extra := sorted(set(actual) - expected):
        raise _ViolationError(f"{what} {extra[0][:80]!r} is not in the format")


def _expect_type(name: str, actual: _TensorType, expected: _TensorType) -> None:
    if actual[0] != expected[0] or actual[1] != expected[1]:

        def shown(type_: _TensorType) -> str:
            kind = onnxproto.DATA_TYPES.get(type_[0])
            dims = ", ".join("?" if dim is None else str(dim) for dim in type_[1])
            return f"{kind.name if kind else 'unknown'} [{dims}]"

        raise _ViolationError(f"{name[:80]!r} is {shown(actual)}, not {shown(expected)}")


def _check_fields(message: Any, where: str) -> None:
    """No field the format does not know, and texts in UTF-8; messages inside are not visited."""
    if len(UnknownFieldSet(message)):
        raise _foreign(f"{where} holds fields the format does not know")
    for name in onnxproto.TEXT_FIELDS[message.DESCRIPTOR.name]:
        value = getattr(message, name)
        for each in (value,) if isinstance(value, bytes) else value:
            _text(each, f"{name} of {where}")


def _text(data: bytes, where: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise _damaged(f"{where} is not UTF-8") from None
