"""A running pool as ONNX nodes: at all times, or at the end alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rnn_train.exporting.graph import FLOAT, Dims, Graph
from rnn_train.exporting.layers.elman import ElmanLayer
from rnn_train.exporting.layers.layer import Layer
from rnn_train.exporting.layers.parts import Part, Parts, beside, units
from rnn_train.exporting.layers.passing import PassThroughLayer
from rnn_train.exporting.layers.traced import TracedLayer
from rnn_train.exporting.products import Products
from rnn_train.models.cells import Cell
from rnn_train.models.pooling import RunningPool


@dataclass(frozen=True)
class PoolRun:
    """What a pool and the layer below it give for a whole sequence."""

    pool: "PoolLayer"
    outputs: Parts
    """Of the layer below, [time, batch, …]."""
    ends: Sequence[str]
    """The same at the last time, [batch, …]."""
    before: Sequence[str]
    """The sums, the maximum and the count, before the first time."""
    after: list[str]
    """The states of both layers, after the last time."""

    def at_end(self, graph: Graph) -> Parts:
        """Add the pooled columns at the end alone: [1, batch, width]."""
        sums, peak, count = self.after[-3:]
        mean = graph.add("Div", sums, count, name="mean")
        pooled = beside(graph, [*self.ends, mean, peak], axis=1)
        pooled = graph.add("Unsqueeze", pooled, graph.constant("axis0", [0]), name="pooled")
        return self.pool.in_units_of(self.outputs, pooled)

    def at_all_times(self, graph: Graph) -> Parts:
        """Add the pooled columns at all times: [time, batch, width]."""
        return self.pool.at_all_times(graph, self.outputs, self.before)[0]


class PoolLayer(TracedLayer):
    """A running pool: only the maximum needs a Scan, since ONNX has no running maximum."""

    def __init__(self, index: int, cell: Cell, products: Products) -> None:
        super().__init__(index, cell, products)
        assert isinstance(cell, RunningPool)
        self._peaks = cell.peaks

    def from_parts(
        self,
        graph: Graph,
        x: Parts,
        sizes: str,  # noqa: ARG002  (part of the interface)
        states: Sequence[str],
    ) -> tuple[Parts, list[str]]:
        pooled, (sums, peak, counts) = self.at_all_times(graph, x, states)
        return pooled, [self._last(graph, sums), peak, self._last(graph, counts)]

    def run(
        self, graph: Graph, below: Layer, x: Parts, sizes: str, states: Sequence[str]
    ) -> PoolRun:
        """Add the layer below, with the sums and the maximum of its output.

        They are kept in the Scan of the layer below, which saves a pass over all times.

        Args:
            graph: gets the nodes.
            below: the layer below.
            x: its input, at all times.
            sizes: int64 [2], time and batch.
            states: of both layers.
        """
        *own, total, peak, count = states
        inner, passed = below, list[Part]()
        if isinstance(below, PassThroughLayer):
            inner, passed = below.inner, [*below.passed(graph, x)]
        widths = [inner.output, *(part.width for part in passed)]
        totals = [total]
        if passed:
            cuts = graph.constant("pool_sizes", widths)
            totals = graph.add_many("Split", total, cuts, names=["total"] * len(widths), axis=1)
        columns = [part.as_is(graph) for part in passed]
        if isinstance(inner, ElmanLayer):
            columns = [inner.project_parts(graph, x, sizes), *columns]
            (state, *totals, peak), output = self._scan(
                graph, widths, [*own, *totals, peak], columns, inner
            )
            own, last = [state], state
        else:
            (part,), own = inner.from_parts(graph, x, sizes, own)
            output = part.exact(graph)
            columns = [output, *columns]
            (*totals, peak), _ = self._scan(graph, widths, [*totals, peak], columns)
            last = self._last(graph, output)
        sums = beside(graph, totals, axis=1)
        time = graph.add("Cast", graph.slice(sizes, 0, 1, axis=0), to=FLOAT, name="time")
        after = [*own, sums, peak, graph.add("Add", count, time, name="count")]
        ends = [last, *(self._last(graph, each) for each in columns[1:])]
        return PoolRun(self, [Part(inner.output, output), *passed], ends, states[-3:], after)

    def at_all_times(
        self, graph: Graph, x: Parts, states: Sequence[str]
    ) -> tuple[Parts, tuple[str, str, str]]:
        """Add the pooled columns, sums and counts at all times, and the maximum at the end."""
        total, peak, count = states
        axis0, at0 = graph.constant("axis0", [0]), graph.constant("at0", 0)
        every = beside(graph, [part.as_is(graph) for part in x])
        # The sum so far comes first, so that numbers are added in the same order as in steps.
        begun = graph.add("Concat", graph.add("Unsqueeze", total, axis0), every, axis=0)
        sums = graph.slice(graph.add("CumSum", begun, at0), 1, None, axis=0)
        # ArgMax of a single number is 0: that gives one zero, and then one 1, for each time.
        single = graph.slice(graph.slice(every, 0, 1, axis=1), 0, 1, axis=2)
        zeros = graph.add("Cast", graph.add("ArgMax", single, axis=2), to=FLOAT)
        ones = graph.add("Add", zeros, graph.constant("one", np.float32(1)), name="ones")
        counts = graph.add("CumSum", ones, at0, name="steps")
        counts = graph.add("Add", counts, graph.add("Unsqueeze", count, axis0), name="counts")
        peak, peaks = self._running_maximum(graph, peak, every)
        means = graph.add("Div", sums, counts, name="means")
        pooled = beside(graph, [every, means, peaks])
        return self.in_units_of(x, pooled), (sums, peak, counts)

    def _scan(
        self,
        graph: Graph,
        widths: Sequence[int],
        begun: Sequence[str],
        columns: Sequence[str],
        inner: ElmanLayer | None = None,
    ) -> tuple[list[str], str]:
        """Add a Scan over columns [time, batch, width] that adds them up.

        Args:
            graph: gets the nodes.
            widths: of the columns.
            begun: the totals of all columns, and the maximum of the first ones; before them the
                state of `inner`, if there is one.
            columns: as many as `widths`.
            inner: a layer whose output are the first columns. `columns` has its projected input.

        Returns:
            `begun` after the last time; and the output of `inner` at all times, or "".
        """
        body = graph.subgraph("pool")
        kept = [*([inner.output] if inner else []), *widths, self._peaks]
        before = [body.input("pool_state", FLOAT, ["batch", width]) for width in kept]
        now = [body.input("pool_x", FLOAT, ["batch", width]) for width in widths]
        after: list[str] = []
        if inner:
            now[0], after = inner.step(body, now[0], [before.pop(0)])
        *totals, peak = before
        after += [body.add("Add", *pair, name="total") for pair in zip(totals, now, strict=True)]
        after.append(body.add("Max", peak, now[0], name="peak"))
        for value, width in zip(after, kept, strict=True):
            body.output(value, FLOAT, ["batch", width])
        names = ["kept"] * len(kept)
        if inner:
            body.output(now[0], FLOAT, ["batch", inner.output], name=body.fresh("pool_y"))
            names.append("layer_output")
        results = graph.add_many(
            "Scan", *begun, *columns, names=names, body=body.proto(), num_scan_inputs=len(columns)
        )
        return results[: len(kept)], results[-1] if inner else ""

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

    def in_units_of(self, x: Parts, value: str) -> Parts:
        """Return pooled columns in the units of x: x itself, its mean and its maximum."""
        peaks = Part(self._peaks)
        scale, zero = units([*x, *x, peaks])
        return [Part(self.output, value, scale, zero)]
