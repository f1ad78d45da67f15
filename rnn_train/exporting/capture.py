"""What a CUDA graph can capture and replay safely: splits and joins into parts of one size.

For parts of unequal sizes, onnxruntime's CUDA kernels keep the sizes in memory that onnxruntime
frees after the call. A replay would read that memory again (microsoft/onnxruntime pull request
32121). So a capturable graph slices instead of splitting, and adds zero-padded parts instead of
joining them.
"""

import itertools
from collections.abc import Sequence

import numpy as np
import onnx

from rnn_train.errors import ExportError
from rnn_train.exporting.graph import Graph


def split(graph: Graph, x: str, sizes: Sequence[int], names: Sequence[str], axis: int) -> list[str]:
    """Add nodes that cut x along an axis into parts of these sizes."""
    if graph.capturable and len(set(sizes)) > 1:
        ends = list(itertools.accumulate(sizes))
        return [
            graph.slice(x, end - size, end, axis, name)
            for size, end, name in zip(sizes, ends, names, strict=True)
        ]
    cuts = graph.constant("sizes", list(sizes))
    return graph.add_many("Split", x, cuts, names=names, axis=axis)


def join(graph: Graph, parts: Sequence[str], sizes: Sequence[int], name: str) -> str:
    """Add nodes that put parts [batch, size] side by side: [batch, sum of sizes]."""
    if not graph.capturable or len(set(sizes)) == 1:
        return graph.add("Concat", *parts, axis=1, name=name)
    total, begin, joined = sum(sizes), 0, ""
    for part, size in zip(parts, sizes, strict=True):
        # A product with ones on a shifted diagonal pads the part with zeros on both sides.
        place = np.eye(size, total, begin, dtype=np.float32)
        placed = graph.add("MatMul", part, graph.constant("place", place), name="placed")
        joined = graph.add("Add", joined, placed, name=name) if joined else placed
        begin += size
    return joined


def check_joints(model: onnx.ModelProto) -> None:
    """Check that every node joins parts of one size only.

    Raises:
        ExportError: a node joins parts of unequal or unknown sizes.
    """
    graph = onnx.shape_inference.infer_shapes(model).graph
    values = [*graph.input, *graph.output, *graph.value_info]
    shapes = {each.name: [d.dim_value for d in each.type.tensor_type.shape.dim] for each in values}
    shapes |= {each.name: list(each.dims) for each in graph.initializer}
    for node in graph.node:
        if node.op_type == "Concat":
            (axis,) = (each.i for each in node.attribute)
            sizes = {shapes[name][axis] if name in shapes else 0 for name in node.input}
            if len(sizes) != 1 or 0 in sizes:
                raise ExportError(
                    "a file of fixed steps may join parts of one size only, because a CUDA graph "
                    "does not replay others safely; leave out --steps"
                )
