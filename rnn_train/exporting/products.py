"""Matrix products and tables as ONNX nodes, with large weights in float32, float16 or int8."""

from abc import ABC, abstractmethod
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnn_train.exporting.graph import FLOAT, FLOAT16, INT8, UINT8, Graph
from rnn_train.exporting.integer_nodes import (
    bounded_integers,
    index_of_bits,
    integer_product,
    integers_of_rows,
)
from rnn_train.exporting.quantization import (
    INPUT_STEP,
    MIDDLE,
    TABLE_LIMIT,
    input_sizes,
    pack_index,
    quantize_columns,
    quantize_table,
)

Weights = Literal["float32", "float16", "int8"]
"""The number type of the large matrices of a file."""
SMALLEST = 2**15
"""Matrices with fewer weights stay float32: they fit into the nearest cache anyway."""
SMALLEST_WHOLE = 2**12
"""The same for matrices whose inputs are integers already."""


class Table(NamedTuple):
    """A table whose rows are looked up."""

    name: str
    """In the file."""
    values: NDArray[Any]
    """[rows, width]."""
    centre: NDArray[Any] | None = None
    """A row that rounding leaves exact, see `quantize_table`."""


class Rows(NamedTuple):
    """Rows of a table that were looked up: they stand for (value - zero) * scale."""

    value: str
    """float32 [time, batch, width]."""
    scale: NDArray[np.float32] | None = None
    """[width]. None: 1."""
    zero: NDArray[np.float32] | None = None
    """[width]. None: 0."""
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

    def index(self, graph: Graph, name: str, index: NDArray[np.int32]) -> str:
        """Add the rows of the entries of a table [entries], to be looked up."""
        return graph.constant(name, index)

    def rows_of(self, graph: Graph, table: Table, places: str) -> str:
        """Add a look-up of rows at `places` [...]: [..., width]."""
        values = graph.constant(table.name, table.values)
        return graph.add("Gather", values, places, axis=0, name=table.name)

    def rows_beside(self, graph: Graph, table: Table, places: str, shape: str) -> Rows:
        """Add a look-up of several rows of a table for each time, side by side.

        Args:
            graph: gets the nodes.
            table: the table.
            places: int32 or int64 [time, batch, n].
            shape: of the result, int64 [3].

        Returns:
            The rows, [time, batch, n · width]. Large ones may be in other units.
        """
        rows = self.rows_of(graph, table, places)
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

    def rows_of(self, graph: Graph, table: Table, places: str) -> str:
        if self.rounds(table.values):
            return self._rounded_rows(graph, table, places)
        return super().rows_of(graph, table, places)

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
    def _rounded_rows(self, graph: Graph, table: Table, places: str) -> str:
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

    def _rounded_rows(self, graph: Graph, table: Table, places: str) -> str:
        half = self._half(graph, table.name, table.values)
        rows = graph.add("Gather", half, places, axis=0)
        return graph.add("Cast", rows, to=FLOAT, name=table.name)

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
        if bounded:
            whole = bounded_integers(graph, x, len(weight) if by_time else None)
        else:
            x = graph.rows(x, len(weight)) if by_time else x
            sizes = input_sizes(weight)
            weight = weight / sizes[:, None]
            x = graph.add("Mul", x, graph.constant(f"{name}.sizes", sizes), name="evened")
            whole, row_step = integers_of_rows(graph, x)
        integers, steps = quantize_columns(weight)
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

    def index(self, graph: Graph, name: str, index: NDArray[np.int32]) -> str:
        packed = pack_index(index)
        if packed is None:
            return super().index(graph, name, index)
        return index_of_bits(graph, name, packed, int(index.max(initial=0)))

    def _rounded_rows(self, graph: Graph, table: Table, places: str) -> str:
        name = table.name
        integers, steps, zero = quantize_table(table.values, table.centre)
        whole = graph.add("Gather", graph.constant(f"{name}.q", integers), places, axis=0)
        value = graph.add("Cast", whole, to=FLOAT, name="whole_float")
        if table.centre is not None:
            value = graph.add("Sub", value, graph.constant(f"{name}.zero", zero))
        return graph.add("Mul", value, graph.constant(f"{name}.step", steps), name=name)

    def rows_beside(self, graph: Graph, table: Table, places: str, shape: str) -> Rows:
        if not self.rounds(table.values):
            return super().rows_beside(graph, table, places, shape)
        integers, steps, zero = quantize_table(table.values, table.centre)
        # Around MIDDLE, so that they can be the input of a product of integers as they are.
        shifted = (integers.astype(np.int16) + MIDDLE).astype(np.uint8)
        rows = graph.add("Gather", graph.constant(f"{table.name}.u", shifted), places, axis=0)
        whole = graph.add("Reshape", rows, shape, name="beside")
        value = graph.add("Cast", whole, to=FLOAT, name="whole_float")
        return Rows(value, steps, zero + np.float32(MIDDLE), whole)

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
