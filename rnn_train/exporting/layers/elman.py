"""A plain recurrent layer as ONNX nodes, with its input in parts and its state in integers."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from rnn_train.exporting.graph import Graph
from rnn_train.exporting.layers.layer import Stepped, as_numpy
from rnn_train.exporting.layers.parts import Part, Parts, in_units, units
from rnn_train.exporting.layers.traced import TracedLayer
from rnn_train.exporting.products import SMALLEST_WHOLE, IntegerProducts, Products
from rnn_train.exporting.quantization import MIDDLE
from rnn_train.models.cells import Cell, ElmanCell

_MAX_TABLE = 2**20
"""The most numbers of a table of products. A larger one stays a look-up and a product."""


class ElmanLayer(TracedLayer):
    """s' = tanh(W x + U s + b)."""

    def __init__(self, index: int, cell: Cell, products: Products) -> None:
        super().__init__(index, cell, products)
        assert isinstance(cell, ElmanCell)
        self._input, self._recurrent = as_numpy(cell.W), as_numpy(cell.U)
        self._bias = as_numpy(cell.b)

    def step(self, graph: Graph, projected: str, states: Sequence[str]) -> Stepped:
        # A tanh lies in [-1, 1], so integers need no search for its largest number.
        sums = self._products.linear(
            graph, states[0], f"{self._name}.U", self._recurrent, projected, bounded=True
        )
        after = graph.add("Tanh", sums, name="s_next")
        return after, [after]

    def from_parts(
        self, graph: Graph, x: Parts, sizes: str, states: Sequence[str]
    ) -> tuple[Parts, list[str]]:
        outputs, after = self.steps(graph, self.project_parts(graph, x, sizes), states)
        return [Part(self.output, outputs)], after

    def project_parts(self, graph: Graph, x: Parts, sizes: str) -> str:
        """Add `project` of parts, as a sum of products: [time, batch, projected]."""
        if x[0].projected:
            return x[0].as_is(graph)
        x = self._with_integers_joined(graph, x)
        begins = np.cumsum([0, *(part.width for part in x)])
        weights, bias = [], self._bias
        for part, begin, end in zip(x, begins, begins[1:], strict=False):
            own = part
            if self._as_integers(part) and part.zero is not None:
                own = replace(part, zero=part.zero - MIDDLE)  # the product takes MIDDLE off
            weight, bias = in_units([own], self._input[begin:end], bias)
            weights.append(weight)
        sums = graph.constant(f"{self._name}.b", bias)
        order = sorted(range(len(x)), key=lambda index: not self._folds(x[index]))
        for index in order:  # a folded part first: it is looked up with the bias in it
            sums = self._add(graph, x[index], begins[index], weights[index], sums)
        return graph.by_time(sums, sizes, self.projected)

    def _with_integers_joined(self, graph: Graph, x: Parts) -> Parts:
        """Return parts in which neighbours that are integers are one, if one product of them is
        worth it."""
        joined: list[Part] = []
        for is_whole, run in groupby(x, key=lambda part: bool(part.whole)):
            parts = [*run]
            width = sum(part.width for part in parts)
            if not is_whole or len(parts) == 1 or not self._multiplies_integers(width):
                joined += parts
                continue
            both = graph.add("Concat", *(part.whole for part in parts), axis=2, name="whole")
            joined.append(Part(width, "", *units(parts), whole=both))
        return joined

    def _add(
        self, graph: Graph, part: Part, begin: int, weight: NDArray[np.float32], sums: str
    ) -> str:
        """Add the product of a part to `sums`, [projected] or [time · batch, projected]."""
        name = f"{self._name}.W"
        if self._folds(part):
            assert part.look_up is not None
            root = graph.root
            table = root.add("Gemm", part.look_up.table, self._rows(root, begin, weight), sums)
            row = graph.add("Gather", table, part.look_up.places, axis=0, name="looked_up")
            return graph.rows(row, self.projected)
        if self._as_integers(part):
            assert isinstance(self._products, IntegerProducts)
            whole = graph.rows(part.whole, part.width)
            product = self._products.whole_linear(graph, whole, f"{name}.{begin}", weight)
            return graph.add("Add", product, sums, name="sums")
        rows = graph.rows(part.as_is(graph), part.width)
        if self._products.rounds(weight):
            return self._products.linear(graph, rows, f"{name}.{begin}", weight, sums)
        return graph.add("Gemm", rows, self._rows(graph.root, begin, weight), sums, name="sums")

    def _rows(self, root: Graph, begin: int, weight: NDArray[np.float32]) -> str:
        """Return rows of W, from `begin` on. Those that are exact are taken from the whole W, which
        the file then holds as it was trained."""
        end = begin + len(weight)
        if np.array_equal(weight, self._input[begin:end]):
            return root.slice(root.constant(f"{self._name}.W", self._input), begin, end, axis=0)
        return root.constant(f"{self._name}.W.{begin}", weight)

    def _folds(self, part: Part) -> bool:
        """Whether the products of all rows of a part's table are few enough to be looked up."""
        return part.look_up is not None and part.look_up.rows * self.projected <= _MAX_TABLE

    def _as_integers(self, part: Part) -> bool:
        """Whether the integers of a part are multiplied as they are."""
        return bool(part.whole) and self._multiplies_integers(part.width)

    def _multiplies_integers(self, width: int) -> bool:
        """Whether a product of so many columns of integers is worth it."""
        return width * self.projected >= SMALLEST_WHOLE
