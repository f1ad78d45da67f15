"""Look-ups of n-grams as ONNX nodes: the codes of all times are in the tokens, so no Scan."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnn_train.exporting import capture
from rnn_train.exporting.graph import INT64, Graph
from rnn_train.exporting.layers.hashing import entries_of_sequences, entries_of_step
from rnn_train.exporting.layers.layer import Stepped, as_numpy
from rnn_train.exporting.layers.parts import LookUp, Part, Parts
from rnn_train.exporting.layers.traced import TracedLayer
from rnn_train.exporting.products import Products, Table
from rnn_train.models.cells import Cell
from rnn_train.models.ngrams import NGramCell


@dataclass(frozen=True)
class _NGramLookUp:
    """A table that n-grams are looked up in."""

    table: Table
    tables: slice
    """Which tables of the hash it stands for."""
    index: NDArray[np.int32] | None = None
    """Row of each entry; None: they are the entries, less `before`."""
    index_name: str = ""
    before: int = 0

    @property
    def width(self) -> int:
        """Of a row."""
        return int(self.table.values.shape[1])

    def row_of(self, graph: Graph, entry: str, products: Products) -> str:
        """Add the rows of entries [...]."""
        if self.index is not None:
            index = products.index(graph, self.index_name, self.index)
            return graph.add("Gather", index, entry, axis=0, name="row_of")
        if not self.before:
            return entry
        like = graph.add("Cast", entry, to=INT64)
        return graph.add("Sub", like, graph.constant("before", np.int64(self.before)))


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
        entries = entries_of_step(graph, cell.hash, rows)
        parts, widths = [features], [width]
        for each in self._look_ups():
            for entry in entries[each.tables]:
                # Not an index in fewer bytes: it is for engines that know few operators.
                place = each.row_of(graph, entry, Products())
                row = self._products.rows_of(graph, each.table, place)
                parts.append(graph.add("Squeeze", row, axis0))
                widths.append(each.width)
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
        entries = entries_of_sequences(graph, self._ngrams.hash, run, given.rows)
        vectors = root.slice(given.table, 0, -1, axis=1, name="vectors_of_tokens")
        own = LookUp(table=vectors, rows=given.rows, places=given.places)
        features = Part(self._ngrams.input_size - 1, look_up=own)
        return [features, *self._looked_up(graph, entries, sizes)], [after]

    def _looked_up(self, graph: Graph, entries: str, sizes: str) -> Parts:
        """Add the vectors and the evidence of all n-grams. `entries`: [tables, time, batch]."""
        parts = []
        for each in self._look_ups():
            own = graph.slice(entries, each.tables.start, each.tables.stop, axis=0)
            own = each.row_of(graph, own, self._products)
            places = graph.add("Transpose", own, perm=[1, 2, 0], name="places")
            count = each.tables.stop - each.tables.start
            width = count * each.width
            last = graph.constant(f"width{width}", [width])
            shape = graph.add("Concat", sizes, last, axis=0, name="shape")
            value, scale, zero, whole = self._products.rows_beside(graph, each.table, places, shape)
            scale, zero = (None if row is None else np.tile(row, count) for row in (scale, zero))
            parts.append(Part(width, value, scale, zero, whole))
        return parts

    def _look_ups(self) -> list[_NGramLookUp]:
        """Return what is looked up."""
        cell, found = self._ngrams, list[_NGramLookUp]()
        if cell.vector_tables:
            row_of = cell.row_of.cpu().numpy().astype(np.int32) if cell.frequent else None
            values = as_numpy(cell.vectors)
            # All n-grams without a vector of their own share the last one: most look-ups find it.
            centre = values[-1] if cell.frequent else None
            vectors = Table(f"{self._name}.vectors", values, centre)
            tables = slice(0, cell.vector_tables)
            index_name = f"{self._name}.row_of"
            found.append(_NGramLookUp(vectors, tables, index=row_of, index_name=index_name))
        if cell.evidence_size:
            evidence = Table(f"{self._name}.evidence", as_numpy(cell.evidence))
            found.append(_NGramLookUp(evidence, cell.evidence_tables, before=cell.before_evidence))
        return found
