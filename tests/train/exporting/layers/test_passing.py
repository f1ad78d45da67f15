"""A layer with columns that pass it by, against its cell in torch."""

import numpy as np
import pytest
import torch

from rnn_train.exporting.graph import FLOAT, Graph
from rnn_train.exporting.layers.layer import as_numpy
from rnn_train.exporting.layers.parts import Part, joined
from rnn_train.exporting.layers.whole import cell_layer
from rnn_train.exporting.products import products_of
from rnn_train.models.cells import ElmanCell, GRUCell
from rnn_train.models.pooling import PassThrough
from tests.train.exporting.examples import operators, run, shaken

BATCH, TIME, IN, WIDTH = 3, 6, 5, 4


@pytest.mark.parametrize("widths", [[5], [3, 2], [3, 1, 1], [2, 3]])
@pytest.mark.parametrize("kind", [GRUCell, ElmanCell])
def test_a_whole_sequence_is_the_cells_scan(
    kind: type[GRUCell] | type[ElmanCell], widths: list[int]
) -> None:
    """The two columns that pass by may be parts, or not."""
    cell = shaken(PassThrough(kind(IN, WIDTH), 2))
    layer, graph = cell_layer(1, cell, products_of("float32")), Graph("g")
    values = [graph.input(f"x{i}", FLOAT, ["time", "batch", w]) for i, w in enumerate(widths)]
    state = graph.input("s", FLOAT, ["batch", WIDTH])
    sizes = graph.add("Shape", values[0], start=0, end=2)
    parts = [Part(width, value) for width, value in zip(widths, values, strict=True)]
    outputs, (after,) = layer.from_parts(graph, parts, sizes, [state])
    graph.output(joined(graph, outputs), FLOAT, ["time", "batch", WIDTH + 2])
    graph.output(after, FLOAT, ["batch", WIDTH])
    assert ("GRU" in operators(graph.proto())) == (kind is GRUCell)

    x, before = torch.randn(BATCH, TIME, IN), torch.rand(BATCH, WIDTH)
    with torch.inference_mode():
        expected, (last,) = cell.scan(x, (before,))
    pieces = np.split(as_numpy(x.transpose(0, 1)), np.cumsum(widths)[:-1], 2)
    given = {f"x{i}": piece.copy() for i, piece in enumerate(pieces)}
    found, own = run(graph, s=as_numpy(before), **given)
    np.testing.assert_allclose(found, expected.transpose(0, 1).numpy(), atol=1e-5)
    np.testing.assert_allclose(own, last.numpy(), atol=1e-5)
