"""A layer with columns that pass it by, as ONNX nodes."""

from collections.abc import Callable, Sequence

from rnn_train.exporting.graph import Graph
from rnn_train.exporting.layers.layer import Layer
from rnn_train.exporting.layers.parts import Part, Parts, joined
from rnn_train.exporting.layers.traced import TracedLayer
from rnn_train.exporting.products import Products
from rnn_train.models.cells import Cell
from rnn_train.models.pooling import PassThrough

MakeLayer = Callable[[int, Cell, Products], Layer]


class PassThroughLayer(TracedLayer):
    """A cell with columns that pass it by: only the cell's own part may need a Scan."""

    def __init__(self, index: int, cell: PassThrough, products: Products, make: MakeLayer) -> None:
        """Take the cell. `make` makes the layer inside."""
        super().__init__(index, cell, products)
        self.inner = make(index, cell.cell, products)
        self._columns = cell.columns

    def from_parts(
        self, graph: Graph, x: Parts, sizes: str, states: Sequence[str]
    ) -> tuple[Parts, list[str]]:
        outputs, after = self.inner.from_parts(graph, x, sizes, states)
        return [*outputs, *self.passed(graph, x)], after

    def passed(self, graph: Graph, x: Parts) -> Parts:
        """Return the last columns of the input, which pass the cell by."""
        for count in range(1, len(x) + 1):
            if sum(part.width for part in x[-count:]) == self._columns:
                return x[-count:]
        value = graph.slice(joined(graph, x), -self._columns, None, axis=2)
        return [Part(self._columns, value)]
