"""Layers of cells that need no Scan when all times of a sequence are there at once.

They give the same numbers as their traced steps; the proof of an export checks that.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from rnn_train.exporting import capture
from rnn_train.exporting.graph import FLOAT, INT32, Dims, Graph
from rnn_train.exporting.layers.layer import Stepped, as_numpy
from rnn_train.exporting.layers.traced import TracedLayer
from rnn_train.exporting.products import LookUp, Products
from rnn_train.models.cells import Cell, GRUCell
from rnn_train.models.ngrams import FACTOR, NGramCell
from rnn_train.models.pooling import PassThrough, RunningPool


def cell_layer(index: int, cell: Cell, products: Products) -> TracedLayer:
    """Return the layer of a cell: one of this module for a cell it knows, else a traced one."""
    if isinstance(cell, PassThrough):
        return PassThroughLayer(index, cell, products)
    known = {NGramCell: NGramLayer, GRUCell: GRULayer, RunningPool: PoolLayer}
    return known.get(type(cell), TracedLayer)(index, cell, products)


class PassThroughLayer(TracedLayer):
    """A cell with columns that pass it by: only the cell's own part may need a Scan."""

    def __init__(self, index: int, cell: PassThrough, products: Products) -> None:
        super().__init__(index, cell, products)
        self._inner = cell_layer(index, cell.cell, products)
        self._columns = cell.columns

    def sequence(self, graph: Graph, x: str, sizes: str, states: Sequence[str]) -> Stepped:
        outputs, after = self._inner.sequence(graph, x, sizes, states)
        passed = graph.slice(x, -self._columns, None, axis=2)
        return graph.add("Concat", outputs, passed, axis=2, name="beside"), after


class GRULayer(TracedLayer):
    """A gated recurrent unit: a whole sequence is one GRU node."""

    def __init__(self, index: int, cell: Cell, products: Products) -> None:
        super().__init__(index, cell, products)
        assert isinstance(cell, GRUCell)
        self._inputs, self._recurrent = cell.inputs, cell.recurrent

    def sequence(self, graph: Graph, x: str, sizes: str, states: Sequence[str]) -> Stepped:
        both = self._inputs, self._recurrent
        if any(self._products.rounds(as_numpy(linear.weight)) for linear in both):
            return super().sequence(graph, x, sizes, states)  # a GRU node takes float32 only
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

    @staticmethod
    def _in_order(gates: Tensor) -> NDArray[np.float32]:
        """Reorder torch's gates r, z, n to ONNX's z, r, n."""
        reset, update, new = np.split(as_numpy(gates), 3)
        return np.concatenate([update, reset, new])


class PoolLayer(TracedLayer):
    """A running pool: only the maximum needs a Scan, since ONNX has no running maximum."""

    def __init__(self, index: int, cell: Cell, products: Products) -> None:
        super().__init__(index, cell, products)
        assert isinstance(cell, RunningPool)
        self._peaks = cell.peaks

    def sequence(
        self,
        graph: Graph,
        x: str,
        sizes: str,  # noqa: ARG002  (part of the interface)
        states: Sequence[str],
    ) -> Stepped:
        total, peak, count = states
        axis0, at0 = graph.constant("axis0", [0]), graph.constant("at0", 0)
        # The sum so far comes first, so that numbers are added in the same order as in steps.
        begun = graph.add("Concat", graph.add("Unsqueeze", total, axis0), x, axis=0)
        sums = graph.slice(graph.add("CumSum", begun, at0), 1, None, axis=0)
        # ArgMax of a single number is 0: that gives one zero, and then one 1, for each time.
        single = graph.slice(graph.slice(x, 0, 1, axis=1), 0, 1, axis=2)
        zeros = graph.add("Cast", graph.add("ArgMax", single, axis=2), to=FLOAT)
        ones = graph.add("Add", zeros, graph.constant("one", np.float32(1)), name="ones")
        counts = graph.add("CumSum", ones, at0, name="steps")
        counts = graph.add("Add", counts, graph.add("Unsqueeze", count, axis0), name="counts")
        peak, peaks = self._running_maximum(graph, peak, x)
        means = graph.add("Div", sums, counts, name="means")
        pooled = graph.add("Concat", x, means, peaks, axis=2, name="pooled")
        return pooled, [self._last(graph, sums), peak, self._last(graph, counts)]

    @staticmethod
    def _last(graph: Graph, x: str) -> str:
        return graph.add("Gather", x, graph.constant("at_end", -1), axis=0, name="after")

    def _running_maximum(self, graph: Graph, peak: str, x: str) -> list[str]:
        """Add a Scan: the maximum at the end [batch, peaks], and at each time."""
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
    """Look-ups of n-grams: the codes of all times are in the input, so no step needs another."""

    def __init__(self, index: int, cell: Cell, products: Products) -> None:
        super().__init__(index, cell, products)
        assert isinstance(cell, NGramCell)
        self._ngrams = cell

    def step(self, graph: Graph, projected: str, states: Sequence[str]) -> Stepped:
        cell, axis0 = self._ngrams, graph.constant("axis0", [0])
        width = cell.input_size - 1
        features, code = capture.split(graph, projected, [width, 1], ["features", "code"], axis=1)
        count = cell.state_sizes["codes"]
        newest = [code, *graph.columns(states[0], count, "earlier_code")][:count]
        rows = [graph.add("Transpose", each, perm=[1, 0]) for each in newest]  # each [1, batch]
        looked_up, widths = self._looked_up(graph, rows)
        parts = [features, *(graph.add("Squeeze", each, axis0) for each in looked_up)]
        joined = capture.join(graph, parts, [width, *widths], "with_ngrams")
        return joined, [capture.join(graph, newest, [1] * count, "codes_after")]

    def steps(self, graph: Graph, projected: str, states: Sequence[str]) -> Stepped:
        cell = self._ngrams
        sizes = graph.constant("features_and_code", [cell.input_size - 1, 1])
        features, code = graph.add_many(
            "Split", projected, sizes, names=["features", "code"], axis=2
        )
        axis2 = graph.constant("axis2", [2])
        codes = graph.add("Squeeze", code, axis2, name="codes")  # [time, batch]
        count = cell.state_sizes["codes"]
        backwards = graph.constant("backwards", np.arange(count)[::-1].copy())
        # The state holds the newest code first; in `run` all codes are in the order of time.
        earlier = graph.add("Transpose", states[0], perm=[1, 0])
        earlier = graph.add("Gather", earlier, backwards, axis=0, name="earlier")
        run = graph.add("Concat", earlier, codes, axis=0, name="run")  # [count + time, batch]
        windows = [
            graph.slice(run, count - place, -place or None, axis=0) for place in range(count)
        ]
        looked_up, _ = self._looked_up(graph, windows)
        last = graph.slice(run, -count, None, axis=0)
        last = graph.add("Gather", last, backwards, axis=0, name="newest_first")
        after = graph.add("Transpose", last, perm=[1, 0], name="codes_after")
        return graph.add("Concat", features, *looked_up, axis=2, name="with_ngrams"), [after]

    def _looked_up(self, graph: Graph, windows: Sequence[str]) -> tuple[list[str], list[int]]:
        """Add the vectors and the evidence of all n-grams, side by side in one value or several,
        each [time, batch, width], and return their widths too. `windows`: as in `_entries`."""
        entries = self._entries(graph, windows)
        look_ups = []
        for table, longest in zip(("vectors", "evidence"), self._ngrams.longest, strict=True):
            name, weight = f"{self._name}.{table}", as_numpy(getattr(self._ngrams, table))
            look_ups += [LookUp(name, weight, entry) for entry in entries[: longest - 1]]
        found = self._products.rows_of_all(graph, look_ups)
        return [value for value, _ in found], [width for _, width in found]

    def _entries(self, graph: Graph, windows: Sequence[str]) -> list[str]:
        """Add the table entries of all n-grams; `NGramCell._entries` is the same in torch.

        Args:
            graph: gets the nodes.
            windows: for each place, newest first, the codes [time, batch].

        Returns:
            For each n from 2 up, the entries [time, batch].
        """
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

    @staticmethod
    def _of_orders(graph: Graph, hint: str, values: NDArray[Any]) -> str:
        """Add one number for each n, shaped to broadcast over [orders, time, batch]."""
        return graph.constant(hint, values[:, None, None])
