"""Where the time of a character goes: in the step's matrix products, and in its other nodes.

    python -m benchmarks.parts

Three Loops in turns: the whole step of an exported file, with sampling; only the products
in it, on the same weights, with what comes out of them collected; and as many additions of one row
as it has other nodes. No profiler: it would take longer than most nodes do.
"""

import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

from . import networks
from .generation import SHAPES, read_rate
from .harness import Race, Work, race, write
from .networks import Shape

WEIGHTS = ("float32", "int8")
PRODUCTS = {
    "Gemm": (TensorProto.FLOAT, TensorProto.FLOAT),
    "MatMulInteger": (TensorProto.UINT8, TensorProto.INT32),
}
"""Element types of inputs and outputs."""
_TRIPS = 128


class Step:
    """Finds the body of a file's Loop."""

    def __init__(self, data: bytes) -> None:
        graph = onnx.load_from_string(data).graph
        (loop,) = (node for node in graph.node if node.op_type == "Loop")
        (body,) = (each.g for each in loop.attribute if each.name == "body")
        self._weights = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
        for node in graph.node:  # what is put together from weights once a session
            if node.op_type == "Concat" and set(node.input) <= set(self._weights):
                parts = [self._weights[name] for name in node.input]
                self._weights[node.output[0]] = np.concatenate(parts, node.attribute[0].i)
        nodes = list(_nodes(body))
        self.products = [node for node in nodes if node.op_type in PRODUCTS]
        self.others = len(nodes) - len(self.products)

    def products_alone(self) -> Work:
        """The step's products, each with an input of its own."""
        inputs, nodes, outputs = [], [], []
        kept: dict[str, Any] = {}
        feed: dict[str, Any] = {}
        for index, node in enumerate(self.products):
            name, given, taken = f"y{index}", *PRODUCTS[node.op_type]
            # The weight, and where it is one of integers, the middle of the inputs.
            constants = [each for each in node.input[1:3] if each in self._weights]
            constants = constants[: 1 if node.op_type == "Gemm" else 2]
            rows, columns = self._weights[constants[0]].shape
            inputs.append(_value(f"x{index}", given, rows))
            outputs.append(_value(name, taken, columns))
            operands = [f"x{index}", *constants]
            if node.op_type == "Gemm" and node.input[2:]:
                operands.append(f"sum{index}")
                inputs.append(_value(f"sum{index}", given, columns))
                feed[f"sum{index}"] = np.ones((1, columns), np.float32)
            nodes.append(helper.make_node(node.op_type, operands, [name]))
            kept |= {each: self._weights[each] for each in constants}
            feed[f"x{index}"] = np.ones((1, rows), helper.tensor_dtype_to_np_dtype(given))
        weights = [numpy_helper.from_array(array, name) for name, array in kept.items()]
        return _looped(nodes, inputs, outputs, weights, feed)

    def others_alone(self, width: int) -> Work:
        """As many additions of a row as the step has other nodes, one after another."""
        names = ["x", *(f"v{index}" for index in range(self.others))]
        nodes = [
            helper.make_node("Add", [before, "x"], [after])
            for before, after in itertools.pairwise(names)
        ]
        row, last = (_value(name, TensorProto.FLOAT, width) for name in ("x", names[-1]))
        return _looped(nodes, [row], [last], [], {"x": np.zeros((1, width), np.float32)})

    def bytes(self) -> int:
        """Bytes of the weights in the products."""
        return sum(self._weights[node.input[1]].nbytes for node in self.products)


def _nodes(graph: GraphProto) -> Iterator[NodeProto]:
    """Nodes that run if no token is filtered: of an If, its second branch."""
    for node in graph.node:
        yield node
        for branch in node.attribute:
            if branch.name == "else_branch":
                yield from branch.g.node


def _value(name: str, kind: int, width: int) -> Any:
    return helper.make_tensor_value_info(name, kind, [1, width])


def _looped(
    nodes: Sequence[NodeProto],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    weights: Sequence[TensorProto],
    feed: dict[str, Any],
) -> Work:
    """Runs nodes in a Loop, as a step is run."""
    turn = helper.make_tensor_value_info("turn", TensorProto.INT64, [])
    go_on = helper.make_tensor_value_info("go_on", TensorProto.BOOL, [])
    body = helper.make_graph(nodes, "body", [turn, go_on], [go_on, *outputs])
    names = [f"all_{value.name}" for value in outputs]
    loop = helper.make_node("Loop", ["trips", ""], names, body=body)
    trips = helper.make_tensor_value_info("trips", TensorProto.INT64, [])
    collected = [
        helper.make_tensor_value_info(name, value.type.tensor_type.elem_type, None)
        for name, value in zip(names, outputs, strict=True)
    ]
    graph = helper.make_graph([loop], "parts", [trips, *inputs], collected, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    feed = feed | {"trips": np.array(_TRIPS)}

    def work(count: int) -> None:
        for _ in range(count):
            session.run(None, feed)

    return work


def _per_character(work: Work) -> Callable[[int], object]:
    """Turns work that counts characters into work that counts calls."""
    return lambda count: work(count * _TRIPS)


def main() -> None:
    """Measures all shapes, one stream on one thread."""
    torch.set_num_threads(1)
    races: list[Race] = []
    facts: dict[str, dict[str, float]] = {}
    for shape in SHAPES:
        for weights in WEIGHTS:
            races.append(_measure(shape, weights, facts))
            found, about = races[-1], facts[races[-1].name]
            shown = "   ".join(
                f"{name} {found.typical(name) / _TRIPS * 1e6:.1f} µs" for name in found.samples
            )
            print(f"{found.name}: {shown}   {about}")
            sys.stdout.flush()
    write("parts", races, trips=_TRIPS, facts=facts)


def _measure(shape: Shape, weights: Any, facts: dict[str, dict[str, float]]) -> Race:
    stepper = networks.ours(shape, threads=1, weights=weights)
    step = Step(stepper.file.data)
    field = {
        "step": _per_character(networks.our_generation(stepper, 1)),
        "products": step.products_alone(),
        "other nodes": step.others_alone(shape.width),
    }
    name = f"{shape}; {weights}"
    size = step.bytes()
    facts[name] = {
        "products": len(step.products),
        "other_nodes": step.others,
        "bytes": size,
        "bytes_a_second": read_rate(size),
    }
    return race(name, f"{_TRIPS} characters", field, rounds=9)


if __name__ == "__main__":
    main()
