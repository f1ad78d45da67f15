"""A builder of ONNX graphs: adds nodes in order, gives fresh names, stores each weight once."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT32, INT64 = TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64
INT8, UINT8 = TensorProto.INT8, TensorProto.UINT8
BOOL, FLOAT16 = TensorProto.BOOL, TensorProto.FLOAT16
Dims = Sequence[str | int]
"""A shape: a number for a fixed size, a name for a free one."""
Value = tuple[str, int, Dims]
"""A value's name, element type and shape."""


class Graph:
    """One graph, or a subgraph: a branch of an If, or the body of a Loop or a Scan."""

    def __init__(
        self, name: str, parent: "Graph | None" = None, *, capturable: bool = False
    ) -> None:
        """Start an empty graph.

        Args:
            name: its name in the file.
            parent: the graph around this subgraph. None: this is the main graph.
            capturable: whether a CUDA graph must be able to capture and replay the main graph;
                see `capture`. Subgraphs take it from the main graph.
        """
        self.name = name
        self._root: Graph = parent._root if parent else self
        self._nodes: list[onnx.NodeProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._outputs_of: list[tuple[str, str]] = []
        if parent is None:
            self._capturable = capturable
            self._initializers: dict[str, onnx.TensorProto] = {}
            self._kept: dict[tuple[str, bytes], str] = {}
            self._used: set[str] = set()

    @property
    def root(self) -> "Graph":
        """The main graph. A Loop computes its body at each turn, but the main graph only once."""
        return self._root

    @property
    def capturable(self) -> bool:
        """Whether a CUDA graph must be able to capture and replay the main graph."""
        return self._root._capturable

    def subgraph(self, name: str) -> Self:
        """Start a graph inside this one. It can use every value computed here so far."""
        return type(self)(self._root.fresh(name), self)

    def fresh(self, hint: str) -> str:
        """Return a name that is still free in all graphs of this model: `hint`, or `hint.2` …"""
        used = self._root._used
        name, number = hint, 1
        while name in used:
            number += 1
            name = f"{hint}.{number}"
        used.add(name)
        return name

    def input(self, name: str, kind: int, dims: Dims) -> str:
        """Declare an input of the element type `kind`, and return its name."""
        name = self.fresh(name)
        self._inputs.append(helper.make_tensor_value_info(name, kind, dims))
        return name

    def output(self, value: str, kind: int, dims: Dims, name: str | None = None) -> None:
        """Declare `value` as an output; with `name`, under that name."""
        self._outputs_of.append((value, name or value))
        self._outputs.append(helper.make_tensor_value_info(name or value, kind, dims))

    def constant(self, hint: str, value: NDArray[Any] | np.generic | float | list[int]) -> str:
        """Add a weight or a number to the main graph, and return its name.

        Equal values are stored once: large ones always, small ones (up to 64 bytes) only under
        the same hint, so that their names stay readable. A float64 becomes a float32.
        """
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
        """Add a node with one output, and return the output's name."""
        return self.add_many(op, *inputs, names=[name or op.lower()], **attributes)[0]

    def add_many(self, op: str, *inputs: str, names: Sequence[str], **attributes: Any) -> list[str]:
        """Add a node with several outputs, and return their names, which start with `names`."""
        outputs = [self.fresh(name) for name in names]
        self._nodes.append(helper.make_node(op, list(inputs), outputs, **attributes))
        return outputs

    def slice(self, x: str, begin: int, end: int | None, axis: int, name: str | None = None) -> str:
        """Add x[begin:end] along an axis; None: to the end."""
        last = np.iinfo(np.int64).max if end is None else end
        bounds = [self.constant("bound", [each]) for each in (begin, last)]
        return self.add("Slice", x, *bounds, self.constant(f"axis{axis}", [axis]), name=name)

    def columns(self, x: str, count: int, name: str) -> list[str]:
        """Split x [batch, count] into its columns, each [batch, 1]."""
        if count == 1:
            return [x]
        return self.add_many("Split", x, names=[name] * count, axis=1, num_outputs=count)

    def branch(
        self,
        condition: str,
        then: Callable[["Graph"], Sequence[Value]],
        otherwise: Callable[["Graph"], Sequence[Value]],
    ) -> list[str]:
        """Add an If, and return the names of the values that come out.

        Args:
            condition: a bool [].
            then, otherwise: each adds its nodes to the graph it is given, and returns the values
                of its branch: as many in both, of the same types.
        """
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
        """Add [time, batch, width] → [time · batch, width]."""
        return self.add("Reshape", x, self.constant(f"rows{width}", [-1, width]), name="rows")

    def by_time(self, rows: str, sizes: str, width: int) -> str:
        """Add [time · batch, width] → [time, batch, width], with `sizes` [time, batch]."""
        last = self.constant(f"width{width}", [width])
        shape = self.add("Concat", sizes, last, axis=0, name="shape")
        return self.add("Reshape", rows, shape, name="by_time")

    def proto(self) -> onnx.GraphProto:
        """Return the graph as it is so far. The main graph holds all weights."""
        initializers = list(self._initializers.values()) if self._root is self else []
        nodes = self._nodes_with_output_names()
        return helper.make_graph(nodes, self.name, self._inputs, self._outputs, initializers)

    def _nodes_with_output_names(self) -> list[onnx.NodeProto]:
        """Return the nodes, in which a node that computes an output gives it the output's name.

        An Identity is left only where a value needs a second name: it is an input or belongs to
        the graph around this one, or it is several outputs. Some engines refuse the others.
        """
        own = {output for node in self._nodes for output in node.output}
        kept = {value for value, name in self._outputs_of if name == value}
        renamed: dict[str, str] = {}
        copies = []
        for value, name in self._outputs_of:
            if value in own - kept and value not in renamed:
                renamed[value] = name
            elif name != value:
                copies.append((value, name))
        identities = [
            helper.make_node("Identity", [renamed.get(value, value)], [name])
            for value, name in copies
        ]
        return [_renamed(node, renamed) for node in self._nodes] + identities

    def model(self, opset: int, ir_version: int, metadata: dict[str, str]) -> onnx.ModelProto:
        """Return the whole model. It names neither its producer nor the exporting machine."""
        imports = [helper.make_opsetid("", opset)]
        model = helper.make_model(self.proto(), opset_imports=imports, ir_version=ir_version)
        model.ClearField("producer_name")
        for key, value in metadata.items():
            model.metadata_props.add(key=key, value=value)
        return model


def _renamed(node: onnx.NodeProto, names: dict[str, str]) -> onnx.NodeProto:
    """Return a copy of a node, also of the graphs in it, with new names for some values."""
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    copy.input[:] = [names.get(each, each) for each in node.input]
    copy.output[:] = [names.get(each, each) for each in node.output]
    for attribute in copy.attribute:
        if attribute.HasField("g"):
            inner = [_renamed(each, names) for each in attribute.g.node]
            del attribute.g.node[:]
            attribute.g.node.extend(inner)
    return copy
