"""The interface of a graph: its inputs and outputs by name, type and shape."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from rnn_infer import contract
from rnn_infer.contract import Metadata
from rnn_infer.modelfile import onnx_proto
from rnn_infer.modelfile.violation import ViolationError, damaged, plain_text

_INT64, _FLOAT32 = 7, 1
_DYNAMIC = None

_TensorType = tuple[int, list[int | None]]
"""The element type, and the size of each axis. None: the size is dynamic."""


@dataclass(frozen=True)
class StateSpec:
    """One state tensor, float32 [batch, width]. It is zero at the start of a stream."""

    name: str
    width: int


class Interface(NamedTuple):
    """What a graph takes and returns besides tokens and logits."""

    states: tuple[StateSpec, ...]
    generates: bool
    """Whether the graph draws tokens."""
    steps: int | None
    """Tokens that a call reads or draws. None: any number."""


def check_interface(graph: Any, metadata: Metadata) -> Interface:
    """Check the inputs and outputs of a graph.

    Raises:
        ViolationError: one is missing, is not in the format, or has a wrong type or shape.
    """
    inputs = {plain_text(value.name, "an input"): _tensor_type(value) for value in graph.input}
    outputs = {plain_text(value.name, "an output"): _tensor_type(value) for value in graph.output}
    if len(outputs) != len(graph.output):
        raise damaged("a graph output appears twice")
    state_names = [name for name in inputs if name + contract.NEXT in outputs]
    generates = contract.GENERATED in outputs
    _check_names(inputs, outputs, state_names, generates)
    if generates and metadata.kind != "charlm":
        raise ViolationError("a classifier cannot have generation inputs")
    if generates != bool(metadata.golden.generated):
        raise ViolationError("bad metadata: golden.generated and generation inputs go together")
    steps = _steps(inputs[contract.TOKENS])
    _check_types(inputs, outputs, [_DYNAMIC, steps], metadata.outputs)
    states = tuple(_state(name, inputs, outputs) for name in state_names)
    return Interface(states, generates, steps)


def _check_names(
    inputs: dict[str, _TensorType],
    outputs: dict[str, _TensorType],
    states: list[str],
    generates: bool,
) -> None:
    nexts = {name + contract.NEXT for name in states}
    sampling = set(contract.GENERATION_INPUTS) if generates else set()
    drawn = {contract.GENERATED} if generates else set()
    _expect_names("input", inputs, {contract.TOKENS, *sampling, *states})
    _expect_names("output", outputs, {contract.LOGITS, *nexts, *drawn})


def _steps(tokens: _TensorType) -> int | None:
    """Return the fixed number of steps per call, or None."""
    times = tokens[1][1:]
    steps = times[0] if len(times) == 1 else _DYNAMIC
    if steps is not None and not 0 < steps <= contract.MAX_STEPS:
        raise ViolationError(f"it takes {steps} steps a call, not 1 to {contract.MAX_STEPS}")
    return steps


def _check_types(
    inputs: dict[str, _TensorType],
    outputs: dict[str, _TensorType],
    by_time: list[int | None],
    width: int,
) -> None:
    """Check every input and output but the states. `by_time`: the sizes [batch, time]."""
    wanted_inputs: dict[str, _TensorType] = {
        contract.TOKENS: (_INT64, by_time),
        contract.UNIFORM: (_FLOAT32, by_time),
        contract.TEMPERATURE: (_FLOAT32, [_DYNAMIC]),
        contract.TOP_K: (_INT64, [_DYNAMIC]),
        contract.TOP_P: (_FLOAT32, [_DYNAMIC]),
    }
    wanted_outputs: dict[str, _TensorType] = {
        contract.LOGITS: (_FLOAT32, [*by_time, width]),
        contract.GENERATED: (_INT64, by_time),
    }
    for actual, wanted in ((inputs, wanted_inputs), (outputs, wanted_outputs)):
        for name, type_ in wanted.items():
            if name in actual:
                _expect_type(name, actual[name], type_)


def _state(name: str, inputs: dict[str, _TensorType], outputs: dict[str, _TensorType]) -> StateSpec:
    width = inputs[name][1][-1] if inputs[name][1] else None
    if width is None or not 0 < width <= contract.MAX_STATE_WIDTH:
        raise ViolationError(f"state {name!r} has no fixed width")
    following = name + contract.NEXT
    for tensor_name, actual in ((name, inputs[name]), (following, outputs[following])):
        _expect_type(tensor_name, actual, (_FLOAT32, [_DYNAMIC, width]))
    return StateSpec(name, width)


def _tensor_type(value: Any) -> _TensorType:
    if not value.type.HasField("tensor_type") or not value.type.tensor_type.HasField("shape"):
        name = plain_text(value.name, "a value")[:80]
        raise ViolationError(f"{name!r} is not a tensor of known rank")
    tensor = value.type.tensor_type
    dims = [dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim]
    return tensor.elem_type, dims


def _expect_names(what: str, actual: dict[str, _TensorType], expected: set[str]) -> None:
    if missing := sorted(expected - set(actual)):
        raise ViolationError(f"{what} {missing[0]!r} is missing from the graph")
    if extra := sorted(set(actual) - expected):
        raise ViolationError(f"{what} {extra[0][:80]!r} is not in the format")


def _expect_type(name: str, actual: _TensorType, expected: _TensorType) -> None:
    if actual != expected:
        raise ViolationError(f"{name[:80]!r} is {_shown(actual)}, not {_shown(expected)}")


def _shown(type_: _TensorType) -> str:
    kind = onnx_proto.DATA_TYPES.get(type_[0])
    dims = ", ".join("?" if dim is None else str(dim) for dim in type_[1])
    return f"{kind.name if kind else 'unknown'} [{dims}]"
