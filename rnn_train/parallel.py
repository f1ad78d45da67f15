"""Layers that need not be stepped through where all of a text is there at once.

To the same numbers as their traced steps; an export proves it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from rnn_train.cells import Cell, GRUCell, Passing, RunningPool
from rnn_train.graph import FLOAT, INT32, Graph
from rnn_train.layers import TracedLayer, as_numpy
from rnn_train.ngrams import FACTOR, NGramCell


def layer_of(index: int, cell: Cell) -> TracedLayer:
    """The layer of a cell."""
    if isinstance(cell, Passing):
        return PassingLayer(index, cell)
    known = {NGramCell: NGramLayer, GRUCell: GRULayer, RunningPool: PoolLayer}
    return known.get(type(cell), TracedLayer)(index, cell)


class PassingLayer(TracedLayer):
    """A cell beside which columns go past: over all times at once, they need not be stepped."""

    def __init__(self, index: int, cell: Passing) -> None:
        super().__init__(index, cell)
        self._inner = layer_of(index, cell.cell)
        self._columns = cell.columns

    def sequence(
        self, graph: Graph, x: str, sizes: str, states: Sequence[str]
    ) -> tuple[str, list[str]]:
        outputs, after = self._inner.sequence(graph, x, sizes, states)
        passed = graph.slice(x, -self._columns, None, axis=2)
        return graph.add("Concat", outputs, passed, axis=2, name="beside"), after


class GRULayer(TracedLayer):
    """A gated recurrent unit: all times are one operator."""

    def __init__(self, index: int, cell: Cell) -> None:
        super().__init__(index, cell)
        assert isinstance(cell, GRUCell)
        self._inputs, self._recurrent = cell.inputs, cell.recurrent

    def sequence(
        self, graph: Graph, x: str, sizes: str, states: Sequence[str]
    ) -> tuple[str, list[str]]:
        both = self._inputs, self._recurrent
        if any(graph.rounds(as_numpy(linear.weight)) for linear in both):
            return super().sequence(graph, x, sizes, states)
        axis0, axis1 = graph.constant("axis0", [0]), graph.constant("axis1", [1])
        biases = np.concatenate([self._in_order(linear.bias) for linear in both])
        outputs, after = graph.add_many(
            "GRU",
            x,
            graph.constant(f"{self._name}.W", self._in_order(both[0].weight)[None]),
            graph.constant(f"{self._name}.R", self._in_order(both[1].weight)[None]),
            graph.constant(f"{self._name}.b", biases[None]),
            "",
            graph.add("Unsqueeze", states[0], axis0),
            names=["layer_output", "state"],
            hidden_size=self.output,
            linear_before_reset=1,
        )
        return graph.add("Squeeze", outputs, axis1), [graph.add("Squeeze", after, axis0)]

    def _in_order(self, gates: Tensor) -> NDArray[np.float32]:
        """torch's gates r, z, n in ONNX's order: z, r, n."""
        reset, keep, new = np.split(as_numpy(gates), 3)
        return np.concatenate([keep, reset, new])


class PoolLayer(TracedLayer):
    """A running pool: only maximum and count are stepped through."""

    def __init__(self, index: int, cell: Cell) -> None:
        super().__init__(index, cell)
        assert isinstance(cell, RunningPool)
        self._peaks = cell.peaks

    def sequence(
        self,
        graph: Graph,
        x: str,
        sizes: str,  # noqa: ARG002  (of the protocol)
        states: Sequence[str],
    ) -> tuple[str, list[str]]:
        total, peak, count = states
        axis0 = graph.constant("axis0", [0])
        # From the sum so far, so that sums are added in the order of single steps.
        begun = graph.add("Concat", graph.add("Unsqueeze", total, axis0), x, axis=0)
        sums = graph.add("CumSum", begun, graph.constant("at0", 0), name="sums")
        sums = graph.slice(sums, 1, None, axis=0)
        after = graph.add("Gather", sums, graph.constant("at_end", -1), axis=0, name="sum_after")
        peak, count, peaks, counts = self._stepped(graph, x, peak, count)
        means = graph.add("Div", sums, counts, name="means")
        pooled = graph.add("Concat", x, means, peaks, axis=2, name="pooled")
        return pooled, [after, peak, count]

    def _stepped(self, graph: Graph, x: str, peak: str, count: str) -> list[str]:
        """Maximum and count at the end, and at all times."""
        body = graph.subgraph("pool")
        widths = self._peaks, 1
        peak_in, count_in = (body.input("pool_state", FLOAT, ["batch", n]) for n in widths)
        now = body.input("pool_x", FLOAT, ["batch", self._peaks])
        carried = [
            body.add("Max", peak_in, now),
            body.add("Add", count_in, body.constant("one", np.float32(1))),
        ]
        for copied in (False, True):
            for value, width in zip(carried, widths, strict=True):
                name = body.fresh("pool_y") if copied else None
                body.output(value, FLOAT, ["batch", width], name=name)
        return graph.add_many(
            "Scan",
            peak,
            count,
            graph.slice(x, 0, self._peaks, axis=2),
            names=["peak_after", "count_after", "peaks", "counts"],
            body=body.proto(),
            num_scan_inputs=1,
        )


class NGramLayer(TracedLayer):
    """Table entries of n-grams: of each time, by codes that all lie in the input."""

    def __init__(self, index: int, cell: Cell) -> None:
        super().__init__(index, cell)
        assert isinstance(cell, NGramCell)
        self._ngrams = cell

    def steps(
        self, graph: Graph, projected: str, kind: int, states: Sequence[str]
    ) -> tuple[str, list[str]]:
        assert kind == FLOAT
        cell = self._ngrams
        (before,) = states
        count = cell.state_sizes["codes"]
        sizes = graph.constant("features_and_code", [cell.input_size - 1, 1])
        features, code = graph.add_many(
            "Split", projected, sizes, names=["features", "code"], axis=2
        )
        code = graph.add(
            "Squeeze", code, graph.constant("axis2", [2]), name="codes"
        )  # [time, batch]
        backwards = graph.constant("backwards", np.arange(count)[::-1].copy())
        earlier = graph.add("Transpose", before, perm=[1, 0])
        earlier = graph.add("Gather", earlier, backwards, axis=0, name="earlier")
        run = graph.add("Concat", earlier, code, axis=0, name="run")
        windows = [
            graph.slice(run, count - place, -place or None, axis=0) for place in range(count)
        ]
        entries = self._entries(graph, windows)
        parts = [features]
        for table, longest in (("vectors", cell.longest[0]), ("evidence", cell.longest[1])):
            weight = as_numpy(getattr(cell, table))
            for entry in entries[: longest - 1]:
                parts.append(graph.rows_of(f"{self._name}.{table}", weight, entry))
        last = graph.slice(run, -count, None, axis=0)
        last = graph.add("Gather", last, backwards, axis=0, name="newest_first")
        after = graph.add("Transpose", last, perm=[1, 0], name="codes_after")
        return graph.add("Concat", *parts, axis=2, name="with_ngrams"), [after]

    def _entries(self, graph: Graph, windows: Sequence[str]) -> list[str]:
        """As `NGramCell._entries`: codes [time, batch] of each place → entries [time, batch]."""
        found, begin = [], 0
        factor = graph.constant("factor", np.float32(FACTOR))
        for order, rows in enumerate(self._ngrams.rows, 2):
            row = _remainder(graph, windows[order - 1], rows)
            for place in reversed(range(order - 1)):
                shifted = graph.add("Mul", row, factor)
                own = _remainder(graph, windows[place], rows)
                row = _remainder(graph, graph.add("Add", shifted, own), rows)
            whole = graph.add("Cast", row, to=INT32)
            offset = graph.constant("table_begin", np.int32(begin))
            found.append(graph.add("Add", whole, offset, name="entry"))
            begin += rows
        return found


def _remainder(graph: Graph, number: str, divisor: int) -> str:
    """Of whole numbers, exactly, as in `rnn_train.ngrams`."""
    by = graph.constant("rows", np.float32(divisor))
    times = graph.add("Cast", graph.add("Div", number, by), to=INT32)
    return graph.add("Sub", number, graph.add("Mul", graph.add("Cast", times, to=FLOAT), by))
