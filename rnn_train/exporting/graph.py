"""A small builder of ONNX graphs: nodes in order, fresh names, weights kept once at the root."""

import hashlib
import itertools
from collections.abc import Callable, Sequence
from typing import Any, Literal, Self

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from rnn_train.errors import ExportError
from rnn_train.exporting.quantization import INPUT_STEP, MIDDLE, SMALLEST, quantize_columns

FLOAT, INT32, INT64 = TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64
UINT8, BOOL, FLOAT16 = TensorProto.UINT8, TensorProto.BOOL, TensorProto.FLOAT16
Weights = Literal["float32", "float16", "int8"]
"""What the large matrices of a file are made of."""
Dims = Sequence[str | int]
Value = tuple[str, int, Dims]
"""A value's name, element type and shape."""


class Graph:
    """One graph, or a subgraph of another: a branch, or what a Loop or Scan repeats."""

    def __init__(
        self,
        name: str,
        parent: "Graph | None" = None,
        weights: Weights = "float32",
        recorded: bool = False,
    ) -> None:
        """
        Args:
            weights: of large products, see `linear`.
            recorded: whether it is made for a CUDA graph to hold.
        """
        self.name = name
        self._root: Graph = parent._root if parent else self
        self._nodes: list[onnx.NodeProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        if parent is None:
            self._weights = weights
            self._recorded = recorded
            self._initializers: dict[str, onnx.TensorProto] = {}
            self._kept: dict[tuple[str, bytes], str] = {}
            self._used: set[str] = set()

    @property
    def root(self) -> "Graph":
        """The main graph: what is computed there, a Loop's body need not compute at each turn."""
        return self._root

    def subgraph(self, name: str) -> Self:
        """A graph inside this one; it sees everything computed here so far."""
        return type(self)(self._root.fresh(name), self)

    def fresh(self, hint: str) -> str:
        """A name nothing has yet, in any graph of this model."""
        used = self._root._used
        name, number = hint, 1
        while name in used:
            number += 1
            name = f"{hint}.{number}"
        used.add(name)
        return name

    def input(self, name: str, kind: int, dims: Dims) -> str:
        """Declares an input."""
        name = self.fresh(name)
        self._inputs.append(helper.make_tensor_value_info(name, kind, dims))
        return name

    def output(self, value: str, kind: int, dims: Dims, name: str | None = None) -> None:
        """Declares `value` an output, under `name` where one is given."""
        if name is not None:
            self._nodes.append(helper.make_node("Identity", [value], [name]))
        self._outputs.append(helper.make_tensor_value_info(name or value, kind, dims))

    def constant(self, hint: str, value: NDArray[Any] | np.generic | float | list[int]) -> str:
        """A weight or number. Equal ones are kept once: small ones by hint, large ones always."""
        array = np.asarray(value)
        if array.dtype == np.float64:
            array = array.astype(np.float32)
        tensor = numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape))
        content = hashlib.sha256(tensor.SerializeToString(deterministic=True)).digest()
        key = ("" if array.nbytes > 64 else hint, content)
        known = self._root._kept.get(key)
        if known is None:
            known = self._root._kept[key] = tensor.name = self.fresh(hint)
            self._root._initializers[known] = tensor
        return known

    def add(self, op: str, *inputs: str, name: str | None = None, **attributes: Any) -> str:
        """Adds a node of one output, and returns the output's name."""
        return self.add_many(op, *inputs, names=[name or op.lower()], **attributes)[0]

    def add_many(self, op: str, *inputs: str, names: Sequence[str], **attributes: Any) -> list[str]:
        """Adds a node of several outputs, named after `names`."""
        outputs = [self.fresh(name) for name in names]
        self._nodes.append(helper.make_node(op, list(inputs), outputs, **attributes))
        return outputs

    def split(self, x: str, sizes: Sequence[int], names: Sequence[str], axis: int) -> list[str]:
        """x cut along an axis into parts of these sizes."""
        if self.recorded and len(set(sizes)) > 1:
            ends = list(itertools.accumulate(sizes))
            return [
                self.slice(x, end - size, end, axis, name)
                for size, end, name in zip(sizes, ends, names, strict=True)
            ]
        cuts = self.constant("sizes", list(sizes))
        return self.add_many("Split", x, cuts, names=names, axis=axis)

    def join(self, parts: Sequence[str], sizes: Sequence[int], name: str) -> str:
        """Parts [batch, size] beside one another, [batch, sum of sizes]."""
        if not self.recorded or len(set(sizes)) == 1:
            return self.add("Concat", *parts, axis=1, name=name)
        total, begin, joined = sum(sizes), 0, ""
        for part, size in zip(parts, sizes, strict=True):
            place = np.eye(size, total, begin, dtype=np.float32)
            placed = self.add("MatMul", part, self.constant("place", place), name="placed")
            joined = self.add("Add", joined, placed, name=name) if joined else placed
            begin += size
        return joined

    def slice(self, x: str, begin: int, end: int | None, axis: int, name: str | None = None) -> str:
        """x[begin:end] along an axis."""
        last = np.iinfo(np.int64).max if end is None else end
        bounds = [self.constant("bound", [each]) for each in (begin, last)]
        return self.add("Slice", x, *bounds, self.constant(f"axis{axis}", [axis]), name=name)

    def columns(self, x: str, count: int, name: str) -> list[str]:
        """The columns of x [batch, count], each [batch, 1]."""
        if count == 1:
            return [x]
        return self.add_many("Split", x, names=[name] * count, axis=1, num_outputs=count)

    def branch(
        self,
        condition: str,
        then: Callable[["Graph"], Sequence[Value]],
        otherwise: Callable[["Graph"], Sequence[Value]],
    ) -> list[str]:
        """Adds an If: each branch builds its graph and names the values that come out."""
        branches = []
        for name, build in (("then", then), ("otherwise", otherwise)):
            body = self.subgraph(name)
            values = build(body)
            for value, kind, dims in values:
                body.output(value, kind, dims, name=body.fresh(f"{name}_out"))
            branches.append(body.proto())
        names = ["chosen"] * len(values)
        return self.add_many(
            "If", condition, names=names, then_branch=branches[0], else_branch=branches[1]
        )

    def rows(self, x: str, width: int) -> str:
        """[time, batch, width] → [time · batch, width]."""
        return self.add("Reshape", x, self.constant(f"rows{width}", [-1, width]), name="rows")

    def by_time(self, rows: str, sizes: str, width: int) -> str:
        """[time · batch, width] → [time, batch, width], where `sizes` is [time, batch]."""
        last = self.constant(f"width{width}", [width])
        shape = self.add("Concat", sizes, last, axis=0, name="shape")
        return self.add("Reshape", rows, shape, name="by_time")

    def linear(
        self, x: str, name: str, weight: NDArray[Any], bias: str = "", bounded: bool = False
    ) -> str:
        """x [n, in] @ weight [in, out] + bias, which is [out] or [n, out] or none.

        Gemm everywhere, for single steps and whole sequences alike: its rows come out
        bit-equal however many there are, which a MatMul and an Add fused by chance would not.
        In a graph of int8 large weights are rounded to integers a column, and x a row, so
        that no row depends on another; `bounded` says that x lies in [-1, 1], which spares
        looking for its largest number. In one of float16 x is rounded too, and their product.
        """
        if not self.rounds(weight):
            return self.add("Gemm", x, self.constant(name, weight), bias, name=f"{name}.out")
        if not self.integers:
            half = self.add("Cast", x, to=FLOAT16)
            value = self.add("Gemm", half, self._half(name, weight), name="product")
            value = self.add("Cast", value, to=FLOAT, name="product_float")
            return self.add("Add", value, bias, name=f"{name}.out") if bias else value
        integers, steps = quantize_columns(weight)
        whole, row_step = self.rounded(x) if not bounded else (self.rounded_bounded(x), "")
        value = self.integer_product(whole, self.constant(f"{name}.q", integers))
        value = self.add("Cast", value, to=FLOAT, name="product_float")
        if bounded:
            steps = steps * INPUT_STEP
        else:
            value = self.add("Mul", value, row_step, name="row_scaled")
        value = self.add("Mul", value, self.constant(f"{name}.step", steps), name="scaled")
        return self.add("Add", value, bias, name=f"{name}.out") if bias else value

    def rows_of(self, name: str, table: NDArray[Any], places: str) -> str:
        """Rows [..., width] of a table [rows, width] at `places` [...]; rounded as in `linear`."""
        if not self.rounds(table):
            return self.add("Gather", self.constant(name, table), places, axis=0, name=name)
        if not self.integers:
            half = self.add("Gather", self._half(name, table), places, axis=0)
            return self.add("Cast", half, to=FLOAT, name=name)
        integers, steps = quantize_columns(table)
        whole = self.add("Gather", self.constant(f"{name}.q", integers), places, axis=0)
        value = self.add("Cast", whole, to=FLOAT, name="whole_float")
        return self.add("Mul", value, self.constant(f"{name}.step", steps), name=name)

    def _half(self, name: str, weight: NDArray[Any]) -> str:
        with np.errstate(over="ignore"):  # an infinity shows in what the weights cost
            return self.constant(f"{name}.half", weight.astype(np.float16))

    def rounds(self, weight: NDArray[Any]) -> bool:
        """Whether `linear` rounds this weight."""
        rounded = self._root._weights != "float32"
        return rounded and weight.ndim == 2 and weight.size >= SMALLEST

    @property
    def recorded(self) -> bool:
        """Whether a CUDA graph is to hold this: then no node may split or join unequal parts.
        onnxruntime keeps their sizes in memory that it frees, and a replay would read it again
        (microsoft/onnxruntime pull request 32121)."""
        return self._root._recorded

    @property
    def integers(self) -> bool:
        """Whether what is rounded becomes integers."""
        return self._root._weights == "int8"

    def integer_product(self, whole: str, integers: str) -> str:
        """uint8 [n, in] around MIDDLE times int8 [in, out]: int32 [n, out].

        Weights signed and inputs unsigned: the one pair of types that is fast on every
        processor (signed times signed falls back to plain C++).
        """
        middle = self.constant("middle", MIDDLE)
        return self.add("MatMulInteger", whole, integers, middle, name="product")

    def rounded_bounded(self, x: str) -> str:
        """x in [-1, 1] as uint8 around MIDDLE."""
        step, middle = self.constant("bounded_step", INPUT_STEP), self.constant("middle", MIDDLE)
        return self.add("QuantizeLinear", x, step, middle, name="whole")

    def rounded(self, x: str) -> tuple[str, str]:
        """x [n, in] as uint8 around MIDDLE, and the size of one of its steps in each row [n, 1]."""
        columns = self.constant("axis1", [1])
        largest = self.add("ReduceMax", self.add("Abs", x), columns, keepdims=1, name="largest")
        step = self.add("Mul", largest, self.constant("bounded_step", INPUT_STEP))
        step = self.add("Max", step, self.constant("tiny", np.float32(1e-30)), name="row_step")
        steps = self.add("Round", self.add("Div", x, step))
        shifted = self.add("Add", steps, self.constant("middle_float", np.float32(MIDDLE)))
        return self.add("Cast", shifted, to=UINT8, name="whole"), step

    def proto(self) -> onnx.GraphProto:
        """The finished graph."""
        initializers = list(self._initializers.values()) if self._root is self else []
        return helper.make_graph(self._nodes, self.name, self._inputs, self._outputs, initializers)

    def model(self, opset: int, ir_version: int, metadata: dict[str, str]) -> bytes:
        """The whole model, as the bytes of a file: the same graph gives the same bytes."""
        imports = [helper.make_opsetid("", opset)]
        model = helper.make_model(self.proto(), opset_imports=imports, ir_version=ir_version)
        if self.recorded:
            _check_joints(model)
        model.ClearField("producer_name")
        for key, value in metadata.items():
            model.metadata_props.add(key=key, value=value)
        data: bytes = model.SerializeToString(deterministic=True)
        return data


def _check_joints(model: onnx.ModelProto) -> None:
    """Refuses nodes that join parts of unequal sizes; see `Graph.recorded`."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    values = [*graph.input, *graph.output, *graph.value_info]
    shapes = {each.name: list(each.type.tensor_type.shape.dim) for each in values}
    for node in graph.node:
        if node.op_type == "Concat":
            (axis,) = (each.i for each in node.attribute)
            sizes = {shapes[name][axis].dim_value for name in node.input if name in shapes}
            if len(sizes) != 1 or not set(node.input) <= set(shapes):
                raise ExportError(
                    "a file of fixed steps may join parts of one size only, as a CUDA graph would "
                    "not replay others safely; leave out --steps"
                )
