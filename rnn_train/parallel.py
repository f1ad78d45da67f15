"""Layers that need not be stepped through where all of a text is there at once.

To the same numbers as their traced steps; an export proves it.
"""

from collections.abc import Sequence

import numpy as np

from rnn_train.cells import Cell, Passing
from rnn_train.graph import FLOAT, INT64, Graph
from rnn_train.layers import TracedLayer
from rnn_train.ngrams import FACTOR, NGramCell

_END = np.iinfo(np.int64).max


def layer_of(index: int, cell: Cell) -> TracedLayer:
    """The layer of a cell."""
    if isinstance(cell, NGramCell):
        return NGramLayer(index, cell)
    if isinstance(cell, Passing):
        return PassingLayer(index, cell)
    return TracedLayer(index, cell)


class PassingLayer(TracedLayer):
    """A cell beside which columns go past: over all times at once, they need not be stepped."""

    def __init__(self, index: int, cell: Passing) -> None:
        super().__init__(index, cell)
        self._inner = layer_of(index, cell.cell)
        self._columns = cell.columns

    def sequence(
        self, graph: Graph, projected: str, kind: int, states: Sequence[str]
    ) -> tuple[str, list[str]]:
        sizes = graph.constant("own_and_passed", [self.projected - self._columns, self._columns])
        own, passed = graph.add_many("Split", projected, sizes, names=["own", "passed"], axis=2)
        outputs, after = self._inner.sequence(graph, own, kind, states)
        return graph.add("Concat", outputs, passed, axis=2, name="beside"), after


class NGramLayer(TracedLayer):
    """Table entries of n-grams: of each time, by codes that all lie in the input."""

    def __init__(self, index: int, cell: NGramCell) -> None:
        super().__init__(index, cell)
        self._ngrams = cell

    def sequence(
        self, graph: Graph, projected: str, kind: int, states: Sequence[str]
    ) -> tuple[str, list[str]]:
        assert kind == FLOAT
        cell = self._ngrams
        (before,) = states
        count = cell.state_sizes["codes"]
        axis0, axis2 = graph.constant("axis0", [0]), graph.constant("axis2", [2])
        sizes = graph.constant("features_and_code", [cell.input_size - 1, 1])
        features, code = graph.add_many(
            "Split", projected, sizes, names=["features", "code"], axis=2
        )
        code = graph.add("Squeeze", code, axis2, name="codes")  # [time, batch]
        backwards = graph.constant("backwards", np.arange(count)[::-1].copy())
        earlier = graph.add("Transpose", before, perm=[1, 0])
        earlier = graph.add("Gather", earlier, backwards, axis=0, name="earlier")
        run = graph.add("Concat", earlier, code, axis=0, name="run")
        windows = [
            graph.add(
                "Slice",
                run,
                graph.constant("from", [count - place]),
                graph.constant("until", [-place or _END]),
                axis0,
                name=f"back{place}",
            )
            for place in range(count)
        ]
        entries = self._entries(graph, windows)
        parts = [features]
        for table, longest in (("vectors", cell.longest[0]), ("evidence", cell.longest[1])):
            weight = getattr(cell, table).detach().numpy()
            for entry in entries[: longest - 1]:
                rows = graph.constant(f"{self._name}.{table}", weight)
                parts.append(graph.add("Gather", rows, entry, axis=0, name=table))
        last = graph.add(
            "Slice",
            run,
            graph.constant("from", [-count]),
            graph.constant("until", [_END]),
            axis0,
            name="last_codes",
        )
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
            whole = graph.add("Cast", row, to=INT64)
            offset = graph.constant("table_begin", np.int64(begin))
            found.append(graph.add("Add", whole, offset, name="entry"))
            begin += rows
        return found


def _remainder(graph: Graph, number: str, divisor: int) -> str:
    """Of whole numbers, exactly, as in `rnn_train.ngrams`."""
    by = graph.constant("rows", np.float32(divisor))
    times = graph.add("Cast", graph.add("Div", number, by), to=INT64)
    return graph.add("Sub", number, graph.add("Mul", graph.add("Cast", times, to=FLOAT), by))
