"""Matrix products and tables as ONNX nodes, with large weights in float32, float16 or int8."""

from abc import ABC, abstractmethod
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnn_train.exporting.graph import FLOAT, FLOAT16, INT8, UINT8, Graph
from rnn_train.exporting.quantization import INPUT_STEP, MIDDLE, TABLE_LIMIT, quantize_columns

Weights = Literal["float32", "float16", "int8"]
"""The number type of the large matrices of a file."""
SMALLEST = 2**15
"""Matrices with fewer weights stay float32: they fit into the nearest cache anyway."""


class Rows(NamedTuple):
    """Rows of a table that were looked up: they stand for (value - zero) * scale."""

    value: str
    """float32 [time, batch, width]."""
    scale: NDArray[np.float32] | None = None
    """[width]. None: 1."""
    zero: int = 0
    whole: str = ""
    """The same numbers in uint8, or empty."""


class Products:
    """Products and tables in float32."""

    def rounds(self, weight: NDArray[Any]) -> bool:  # noqa: ARG002  (subclasses need it)
        """Whether this weight is rounded."""
        return False

    def linear(
        self,
        graph: Graph,
        x: str,
        name: str,
        weight: NDArray[Any],
        bias: str = "",
        bounded: bool = False,  # noqa: ARG002  (subclasses need it)
        by_time: bool = False,
    ) -> str:
        """Add x @ weight + bias.

        It is a Gemm everywhere, for single steps and whole sequences alike: its rows come out
        bit-equal for any number of rows. onnxruntime may or may not fuse a MatMul and an Add.

        Args:
            graph: gets the nodes.
            x: float32 [n, in], or [time, batch, in] with `by_time`.
            name: of the weight in the file.
            weight: float32 [in, out].
            bias: float32 [out] or [n, out]; empty: none.
            bounded: whether x lies in [-1, 1]. Then int8 needs no search for its largest number.
            by_time: whether x has an axis more, [time, batch, in]; then n is time · batch.

        Returns:
            The product, float32 [n, out].
        """
        x = graph.rows(x, len(weight)) if by_time else x
        return graph.add("Gemm", x, graph.constant(name, weight), bias, name=f"{name}.out")

    def folded(self, graph: Graph, name: str, table: NDArray[Any]) -> str:
        """Add a table [rows, width] of projected inputs to the main graph, in float32."""
        return graph.constant(name, table)

    def rows_of(self, graph: Graph, name: str, table: NDArray[Any], places: str) -> str:
        """Add a look-up of rows of a table [rows, width] at `places` [...]: [..., width]."""
        return graph.add("Gather", graph.constant(name, table), places, axis=0, name=name)

    def rows_beside(
        self, graph: Graph, name: str, table: NDArray[Any], places: str, shape: str
    ) -> Rows:
        """Add a look-up of several rows of a table for each time, side by side.

        Args:
            graph: gets the nodes.
            name: of the table in the file.
            table: [rows, width].
            places: int32 or int64 [time, batch, n].
            shape: of the result, int64 [3].

        Returns:
            The rows, [time, batch, n · width]. Large ones may be in other units.
        """
        rows = self.rows_of(graph, name, table, places)
        return Rows(graph.add("Reshape", rows, shape, name="beside"))


class RoundedProducts(Products, ABC):
    """Products and tables with rounded weights if they are large, and in float32 if not."""

    def rounds(self, weight: NDArray[Any]) -> bool:
        return weight.ndim == 2 and weight.size >= SMALLEST

    def linear(
        self,
        graph: Graph,
        x: str,
        name: str,
        weight: NDArray[Any],
        bias: str = "",
        bounded: bool = False,
        by_time: bool = False,
    ) -> str:
        if self.rounds(weight):
            return self._rounded_linear(graph, x, name, weight, bias, bounded, by_time)
        return super().linear(graph, x, name, weight, bias, bounded, by_time)

    def rows_of(self, graph: Graph, name: str, table: NDArray[Any], places: str) -> str:
        if self.rounds(table):
            return self._rounded_rows(graph, name, table, places)
        return super().rows_of(graph, name, table, places)

    @abstractmethod
    def _rounded_linear(
        self,
        graph: Graph,
        x: str,
        name: str,
        weight: NDArray[Any],
        bias: str,
        bounded: bool,
        by_time: bool,
    ) -> str:
        """Add `linear` of a large weight."""

    @abstractmethod
    def _rounded_rows(self, graph: Graph, name: str, table: NDArray[Any], places: str) -> str:
        """Add `rows_of` a large table."""


class HalfProducts(RoundedProducts):
    """Large weights in float16. The inputs of their products and the results are float16 too."""

    def _rounded_linear(
        self,
        graph: Graph,
        x: str,
        name: str,
        weight: NDArray[Any],
        bias: str,
        bounded: bool,
        by_time: bool,
    ) -> str:
        del bounded  # float16 needs no scale
        half = graph.add("Cast", graph.rows(x, len(weight)) if by_time else x, to=FLOAT16)
        value = graph.add("Gemm", half, self._half(graph, name, weight), name="product")
        value = graph.add("Cast", value, to=FLOAT, name="product_float")
        return graph.add("Add", value, bias, name=f"{name}.out") if bias else value

    def _rounded_rows(self, graph: Graph, name: str, table: NDArray[Any], places: str) -> str:
        half = graph.add("Gather", self._half(graph, name, table), places, axis=0)
        return graph.add("Cast", half, to=FLOAT, name=name)

    @staticmethod
    def _half(graph: Graph, name: str, weight: NDArray[Any]) -> str:
        with np.errstate(over="ignore"):  # the measured loss shows an infinity
            return graph.constant(f"{name}.half", weight.astype(np.float16))


class IntegerProducts(RoundedProducts):
    """Large weights in int8, with a step for each column; inputs in uint8, with a step for each
    row. So no row of the input changes the result of another row."""

    def _rounded_linear(
        self,
        graph: Graph,
        x: str,
        name: str,
        weight: NDArray[Any],
        bias: str,
        bounded: bool,
        by_time: bool,
    ) -> str:
        integers, steps = quantize_columns(weight)
        if bounded:
            whole = bounded_integers(graph, x, len(weight) if by_time else None)
        else:
            x = graph.rows(x, len(weight)) if by_time else x
            whole, row_step = _integers(graph, x)
        value = integer_product(graph, whole, graph.constant(f"{name}.q", integers))
        value = graph.add("Cast", value, to=FLOAT, name="product_float")
        if bounded:
            steps = steps * INPUT_STEP
        else:
            value = graph.add("Mul", value, row_step, name="row_scaled")
        value = graph.add("Mul", value, graph.constant(f"{name}.step", steps), name="scaled")
        return graph.add("Add", value, bias, name=f"{name}.out") if bias else value

    def folded(self, graph: Graph, name: str, table: NDArray[Any]) -> str:
        if not self.rounds(table):
            return super().folded(graph, name, table)
        # The file is smaller, and no step is slower: an engine computes constants when it loads.
        integers, steps = quantize_columns(table, TABLE_LIMIT)
        root = graph.root
        value = root.add("Cast", root.constant(f"{name}.q", integers), to=FLOAT, name="whole_float")
        return root.add("Mul", value, root.constant(f"{name}.step", steps), name=name)

    def _rounded_rows(self, graph: Graph, name: str, table: NDArray[Any], places: str) -> str:
        integers, steps = quantize_columns(table)
        whole = graph.add("Gather", graph.constant(f"{name}.q", integers), places, axis=0)
        value = graph.add("Cast", whole, to=FLOAT, name="whole_float")
        return graph.add("Mul", value, graph.constant(f"{name}.step", steps), name=name)

    def rows_beside(
        self, graph: Graph, name: str, table: NDArray[Any], places: str, shape: str
    ) -> Rows:
        if not self.rounds(table):
            return super().rows_beside(graph, name, table, places, shape)
        integers, steps = quantize_columns(table)
        # Around MIDDLE, so that they can be the input of a product of integers as they are.
        shifted = (integers.astype(np.int16) + MIDDLE).astype(np.uint8)
        rows = graph.add("Gather", graph.constant(f"{name}.u", shifted), places, axis=0)
        whole = graph.add("Reshape", rows, shape, name="beside")
        value = graph.add("Cast", whole, to=FLOAT, name="whole_float")
        return Rows(value, steps, int(MIDDLE), whole)

    def whole_linear(self, graph: Graph, whole: str, name: str, weight: NDArray[Any]) -> str:
        """Add `linear` of integers, uint8 [n, in] around MIDDLE."""
        integers, steps = quantize_columns(weight)
        value = integer_product(graph, whole, graph.constant(f"{name}.q", integers))
        value = graph.add("Cast", value, to=FLOAT, name="product_float")
        return graph.add("Mul", value, graph.constant(f"{name}.step", steps), name="scaled")


def products_of(weights: Weights) -> Products:
    """Return the products of a file whose large matrices have this number type."""
    kinds = {"float32": Products, "float16": HalfProducts, "int8": IntegerProducts}
    return kinds[weights]()


def holds_rounded(graph: Graph) -> bool:
    """Return whether a graph has a matrix in float16 or int8."""
    return any(
        each.data_type in (FLOAT16, INT8, UINT8) and len(each.dims) == 2
        for each in graph.proto().initializer
    )


def integer_product(graph: Graph, whole: str, integers: str) -> str:
    """Add uint8 [n, in] around MIDDLE times int8 [in, out]: int32 [n, out].

    Signed weights with unsigned inputs are the one pair of types that is fast on every processor.
    Signed times signed runs as plain C++ on some.
    """
    middle = graph.constant("middle", MIDDLE)
    return graph.add("MatMulInteger", whole, integers, middle, name="product")


def bounded_integers(graph: Graph, x: str, width: int | None = None) -> str:
    """Add x in [-1, 1] as uint8 around MIDDLE, with steps of INPUT_STEP.

    With a `width`, x is [time, batch, width] and the result [time · batch, width]. The Reshape
    follows the QuantizeLinear: before it, onnxruntime would put a DequantizeLinear between the
    two, which one of its providers computes wrongly (microsoft/onnxruntime issue 32578).
    """
    step, middle = graph.constant("bounded_step", INPUT_STEP), graph.constant("middle", MIDDLE)
    whole = graph.add("QuantizeLinear", x, step, middle, name="whole")
    return whole if width is None else graph.rows(whole, width)


def _integers(graph: Graph, x: str) -> tuple[str, str]:
    """Add x [n, in] as uint8 around MIDDLE, and the step of each row [n, 1]."""
    columns = graph.constant("axis1", [1])
    largest = graph.add("ReduceMax", graph.add("Abs", x), columns, keepdims=1, name="largest")
    step = graph.add("Mul", largest, graph.constant("bounded_step", INPUT_STEP))
    step = graph.add("Max", step, graph.constant("tiny", np.float32(1e-30)), name="row_step")
    steps = graph.add("Round", graph.add("Div", x, step))
    shifted = graph.add("Add", steps, graph.constant("middle_float", np.float32(MIDDLE)))
    return graph.add("Cast", shifted, to=UINT8, name="whole"), step
