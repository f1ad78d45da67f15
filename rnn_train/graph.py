"""A small builder of ONNX graphs: nodes in order, fresh names, weights kept once at the root."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
Dims = Sequence[str | int]


class Graph:
    """One graph, or a subgraph of another: what a Loop or Scan repeats."""

    def __init__(self, name: str, parent: "Graph | None" = None) -> None:
        self.name = name
        self._root: Graph = parent._root if parent else self
        self._nodes: list[onnx.NodeProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        if parent is None:
            self._initializers: dict[str, onnx.TensorProto] = {}
            self._used: dict[str, int] = {}
            self._domains: set[str] = set()

    def subgraph(self, name: str) -> Self:
        """A graph for a Loop or Scan; it sees everything computed here so far."""
        return type(self)(self._root.fresh(name), self)

    def fresh(self, hint: str) -> str:
        """A name nothing has yet, in any graph of this model."""
        used = self._root._used
        number = used[hint] = used.get(hint, 0) + 1
        return hint if number == 1 else f"{hint}.{number}"

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
        """A weight or number; a hint that was given before with the same value is shared."""
        array = np.asarray(value)
        if array.dtype == np.float64:
            array = array.astype(np.float32)
        tensor = numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), hint)
        known = self._root._initializers.get(hint)
        if known is not None and known.SerializeToString() == tensor.SerializeToString():
            return hint
        tensor.name = self.fresh(hint)
        self._root._initializers[tensor.name] = tensor
        return str(tensor.name)

    def add(self, op: str, *inputs: str, name: str | None = None, **attributes: Any) -> str:
        """Adds a node of one output, and returns the output's name."""
        return self.add_many(op, *inputs, names=[name or op.lower()], **attributes)[0]

    def add_many(
        self, op: str, *inputs: str, names: Sequence[str], domain: str = "", **attributes: Any
    ) -> list[str]:
        """Adds a node of several outputs, named after `names`."""
        outputs = [self.fresh(name) for name in names]
        self._nodes.append(
            helper.make_node(op, list(inputs), outputs, domain=domain or None, **attributes)
        )
        if domain:
            self._root._domains.add(domain)
        return outputs

    def linear(self, x: str, name: str, weight: NDArray[Any], bias: str) -> str:
        """x [n, in] @ weight [in, out] + bias, which is [out] or [n, out].

        Gemm everywhere, for single steps and whole sequences alike: its rows come out
        bit-equal however many there are, which a MatMul and an Add fused by chance would not.
        """
        return self.add("Gemm", x, self.constant(name, weight), bias, name=f"{name}.out")

    def proto(self) -> onnx.GraphProto:
        """The finished graph."""
        initializers = list(self._initializers.values()) if self._root is self else []
        return helper.make_graph(self._nodes, self.name, self._inputs, self._outputs, initializers)

    def model(self, opset: int, ir_version: int, metadata: dict[str, str]) -> bytes:
        """The whole model, as the bytes of a file: the same graph gives the same bytes."""
        imports = [helper.make_opsetid("", opset)]
        imports += [helper.make_opsetid(domain, 1) for domain in sorted(self._domains)]
        model = helper.make_model(self.proto(), opset_imports=imports, ir_version=ir_version)
        model.ClearField("producer_name")
        for key, value in metadata.items():
            model.metadata_props.add(key=key, value=value)
        data: bytes = model.SerializeToString(deterministic=True)
        return data
