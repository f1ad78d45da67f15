"""Layers that need not be stepped through where all of a text is there at once.

To the same numbers as their traced steps; an export proves it.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from rnn_train.exporting.graph import FLOAT, INT32, Dims, Graph
from rnn_train.exporting.layers import as_numpy
from rnn_train.exporting.traced import TracedLayer
from rnn_train.models.cells import Cell, GRUCell
from rnn_train.models.ngrams import FACTOR, NGramCell
from rnn_train.models.pooling import PassThrough, RunningPool


def layer_of(index: int, cell: Cell) -> TracedLayer:
    """The layer of a cell."""
    if isinstance(cell, PassThrough):
        return PassThroughLayer(index, cell)
    known = {NGramCell: NGramLayer, GRUCell: GRULayer, RunningPool: PoolLayer}
    return known.get(type(cell), TracedLayer)(index, cell)


class PassThroughLayer(TracedLayer):
    """A cell beside which columns go past: over all times at once, they need not be stepped."""

    def __init__(self, index: int, cell: PassThrough) -> None:
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
    """A running pool: only the maximum is stepped through."""

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
        axis0, at0 = graph.constant("axis0", [0]), graph.constant("at0", 0)
        # From the sum so far, so that sums are added in the order of single steps.
        begun = graph.add("Concat", graph.add("Unsqueeze", total, axis0), x, axis=0)
        sums = graph.slice(graph.add("CumSum", begun, at0), 1, None, axis=0)
        # A one for each time: the place of the largest of a single number is 0.
        single = graph.slice(graph.slice(x, 0, 1, axis=1), 0, 1, axis=2)
        zeros = graph.add("Cast", graph.add("ArgMax", single, axis=2), to=FLOAT)
        ones = graph.add("Add", zeros, graph.constant("one", np.float32(1)), name="ones")
        counts = graph.add("CumSum", ones, at0, name="steps")
        counts = graph.add("Add", counts, graph.add("Unsqueeze", count, axis0), name="counts")
        peak, peaks = self._highest(graph, peak, x)
        means = graph.add("Div", sums, counts, name="means")
        pooled = graph.add("Concat", x, means, peaks, axis=2, name="pooled")
        return pooled, [self._last(graph, sums), peak, self._last(graph, counts)]

    def _last(self, graph: Graph, x: str) -> str:
        return graph.add("Gather", x, graph.constant("at_end", -1), axis=0, name="after")

    def _highest(self, graph: Graph, peak: str, x: str) -> list[str]:
        """The maximum at the end, and at all times."""
        body = graph.subgraph("pool")
        shape: Dims = ["batch", self._peaks]
        before, now = (body.input(name, FLOAT, shape) for name in ("pool_state", "pool_x"))
        highest = body.add("Max", before, now)
        body.output(highest, FLOAT, shape)
        body.output(highest, FLOAT, shape, name=body.fresh("pool_y"))
        return graph.add_many(
            "Scan",
            peak,
            graph.slice(x, 0, self._peaks, axis=2),
            names=["peak_after", "peaks"],
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
        cell = self._ngrams
        rows = self._of_orders(graph, "rows", as_numpy(cell.sizes))
        factor = graph.constant("factor", np.float32(FACTOR))
        row = ""
        for window, reach in reversed(list(zip(windows, as_numpy(cell.reach), strict=True))):
            code = graph.add("Mul", window, self._of_orders(graph, "reach", reach))
            row = graph.add("Add", graph.add("Mul", row, factor), code) if row else code
            times = graph.add("Cast", graph.add("Div", row, rows), to=INT32)
            whole = graph.add("Mul", graph.add("Cast", times, to=FLOAT), rows)
            row = graph.add("Sub", row, whole)
        begins = self._of_orders(graph, "table_begins", cell.begins.cpu().numpy().astype(np.int32))
        entries = graph.add("Add", graph.add("Cast", row, to=INT32), begins, name="entries")
        return [
            graph.add("Gather", entries, graph.constant("order", order), axis=0, name="entry")
            for order in range(len(cell.rows))
        ]

    def _of_orders(self, graph: Graph, hint: str, values: NDArray[Any]) -> str:
        """One number for each n, beside [orders, time, batch]."""
        return graph.constant(hint, values[:, None, None])
