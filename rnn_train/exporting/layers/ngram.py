"""Look-ups of n-grams as ONNX nodes: the codes of all times are in the tokens, so no Scan."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_train.exporting import capture
from rnn_train.exporting.graph import FLOAT, INT32, INT64, Graph
from rnn_train.exporting.layers.layer import Stepped, as_numpy
from rnn_train.exporting.layers.parts import LookUp, Part, Parts
from rnn_train.exporting.layers.traced import TracedLayer
from rnn_train.exporting.products import Products
from rnn_train.models.cells import Cell
from rnn_train.models.ngrams import FACTOR, NGramCell


class NGramLayer(TracedLayer):
    """The vectors and the evidence of the n-grams that end at each character."""

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
        entries = self._entries_of_floats(graph, rows)
        parts, widths = [features], [width]
        for name, table, longest in self._tables():
            for entry in entries[: longest - 1]:
                row = self._products.rows_of(graph, name, table, entry)
                parts.append(graph.add("Squeeze", row, axis0))
                widths.append(table.shape[1])
        joined = capture.join(graph, parts, widths, "with_ngrams")
        return joined, [capture.join(graph, newest, [1] * count, "codes_after")]

    def from_parts(
        self,
        graph: Graph,
        x: Parts,
        sizes: str,
        states: Sequence[str],
    ) -> tuple[Parts, list[str]]:
        given = x[0].look_up
        assert given is not None, "n-grams are read from tokens"
        root, count = graph.root, self._ngrams.state_sizes["codes"]
        axis1 = graph.constant("axis1", [1])
        column = root.slice(given.table, -1, None, axis=1)
        codes_of = root.add("Squeeze", column, axis1, name="codes_of_tokens")
        codes = graph.add("Gather", codes_of, given.places, axis=0, name="codes")  # [time, batch]
        backwards = graph.constant("backwards", np.arange(count)[::-1].copy())
        # The state holds the newest code first; in `run` all codes are in the order of time.
        earlier = graph.add("Transpose", states[0], perm=[1, 0])
        earlier = graph.add("Gather", earlier, backwards, axis=0, name="earlier")
        run = graph.add("Concat", earlier, codes, axis=0, name="run")  # [count + time, batch]
        last = graph.slice(run, -count, None, axis=0)
        last = graph.add("Gather", last, backwards, axis=0, name="newest_first")
        after = graph.add("Transpose", last, perm=[1, 0], name="codes_after")
        entries = self._entries(graph, run, _powers(self._ngrams, given.rows))
        vectors = root.slice(given.table, 0, -1, axis=1, name="vectors_of_tokens")
        own = LookUp(table=vectors, rows=given.rows, places=given.places)
        features = Part(self._ngrams.input_size - 1, look_up=own)
        return [features, *self._looked_up(graph, entries, sizes)], [after]

    def _looked_up(self, graph: Graph, entries: str, sizes: str) -> Parts:
        """Add the vectors and the evidence of all n-grams. `entries`: [orders, time, batch]."""
        parts = []
        for name, table, longest in self._tables():
            own = graph.slice(entries, 0, longest - 1, axis=0)
            places = graph.add("Transpose", own, perm=[1, 2, 0], name="places")
            width = (longest - 1) * table.shape[1]
            last = graph.constant(f"width{width}", [width])
            shape = graph.add("Concat", sizes, last, axis=0, name="shape")
            value, scale, zero, whole = self._products.rows_beside(
                graph, name, table, places, shape
            )
            if scale is not None:
                scale = np.tile(scale, longest - 1)
            at = np.full(width, zero, np.float32) if zero else None
            parts.append(Part(width, value, scale, at, whole))
        return parts

    def _tables(self) -> list[tuple[str, NDArray[np.float32], int]]:
        """Return name, table and longest n-gram of what is looked up."""
        return [
            (f"{self._name}.{name}", as_numpy(getattr(self._ngrams, name)), longest)
            for name, longest in zip(("vectors", "evidence"), self._ngrams.longest, strict=True)
            if longest > 1
        ]

    def _entries(self, graph: Graph, run: str, powers: NDArray[Any]) -> str:
        """Add the table entries of all n-grams; `NGramCell._whole_entries` is the same in torch.

        Args:
            graph: gets the nodes.
            run: the codes [places + time, batch].
            powers: of FACTOR, see `_powers`.

        Returns:
            The entries [orders, time, batch], from n = 2 up.
        """

        def of_orders(hint: str, values: NDArray[Any]) -> str:
            return graph.constant(hint, values.astype(powers.dtype)[:, None, None])

        kind, count = (INT32 if powers.dtype == np.int32 else INT64), len(powers)
        whole = graph.add("Cast", run, to=kind, name="whole_run")
        sums = ""
        for place, power in enumerate(powers):
            window = graph.slice(whole, count - place, -place or None, axis=0)
            term = graph.add("Mul", window, of_orders("power", power))
            sums = graph.add("Add", sums, term) if sums else term
        rows = of_orders("rows", as_numpy(self._ngrams.sizes))
        # What a division by the number of rows leaves. (Mod is no operator of the format.)
        below = graph.add("Mul", graph.add("Div", sums, rows), rows)
        begins = of_orders("table_begins", self._ngrams.begins.cpu().numpy())
        return graph.add("Add", graph.add("Sub", sums, below), begins, name="entries")

    def _entries_of_floats(self, graph: Graph, windows: Sequence[str]) -> list[str]:
        """Add `_entries` of codes in float32, for engines that know few operators of integers;
        `NGramCell._entries` is the same in torch.

        Args:
            graph: gets the nodes.
            windows: for each place, newest first, the codes [1, batch].

        Returns:
            For each n from 2 up, the entries [1, batch].
        """

        def of_orders(hint: str, values: NDArray[Any]) -> str:
            return graph.constant(hint, values[:, None, None])

        cell = self._ngrams
        rows = of_orders("rows", as_numpy(cell.sizes))
        factor = graph.constant("factor", np.float32(FACTOR))
        row = ""
        for window, reach in reversed(list(zip(windows, as_numpy(cell.reach), strict=True))):
            code = graph.add("Mul", window, of_orders("reach", reach))
            row = graph.add("Add", graph.add("Mul", row, factor), code) if row else code
            times = graph.add("Cast", graph.add("Div", row, rows), to=INT32)
            whole = graph.add("Mul", graph.add("Cast", times, to=FLOAT), rows)
            row = graph.add("Sub", row, whole)
        begins = of_orders("table_begins", cell.begins.cpu().numpy().astype(np.int32))
        entries = graph.add("Add", graph.add("Cast", row, to=INT32), begins, name="entries")
        return [
            graph.add("Gather", entries, graph.constant("order", order), axis=0, name="entry")
            for order in range(len(cell.rows))
        ]


def _powers(cell: NGramCell, vocabulary: int) -> NDArray[Any]:
    """Return what a code counts in the hash of each n, [places, orders], newest first.

    The hash of n codes is their polynomial in FACTOR, reduced to the rows of the table. If the
    powers are reduced first, the sum stays small, and is reduced only once.
    """
    places = len(cell.rows) + 1
    powers = [
        [pow(FACTOR, place, rows) if place < n else 0 for n, rows in enumerate(cell.rows, 2)]
        for place in range(places)
    ]
    largest = vocabulary * max(cell.rows) * places
    return np.array(powers, np.int32 if largest < 2**31 else np.int64)
