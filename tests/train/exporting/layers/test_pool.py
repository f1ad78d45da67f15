"""A running pool, against its cell in torch: at all times, and at the end alone."""

import numpy as np
import pytest
import torch

from rnn_train.exporting.graph import FLOAT, Graph
from rnn_train.exporting.layers.layer import as_numpy
from rnn_train.exporting.layers.parts import Part, joined
from rnn_train.exporting.layers.pool import PoolLayer
from rnn_train.exporting.layers.whole import cell_layer
from rnn_train.exporting.products import products_of
from rnn_train.models.cells import Cell, ElmanCell, GRUCell
from rnn_train.models.pooling import PassThrough, RunningPool
from tests.train.exporting.examples import run, shaken

BATCH, TIME, IN, WIDTH = 3, 6, 5, 4
FLOATS = products_of("float32")


def before(pool: RunningPool) -> dict[str, torch.Tensor]:
    """Return states as they are after some steps."""
    states = {name: torch.rand(BATCH, width) for name, width in pool.state_sizes.items()}
    return states | {"count": torch.tensor([[1.0], [2.0], [9.0]])}


def inputs(graph: Graph, pool: RunningPool) -> list[str]:
    return [graph.input(name, FLOAT, ["batch", w]) for name, w in pool.state_sizes.items()]


def test_at_all_times_it_is_the_cells_scan() -> None:
    pool = RunningPool(IN, 3)
    layer, graph = PoolLayer(2, pool, FLOATS), Graph("g")
    x = graph.input("x", FLOAT, ["time", "batch", IN])
    parts, after = layer.from_parts(graph, [Part(IN, x)], "", inputs(graph, pool))
    graph.output(joined(graph, parts), FLOAT, ["time", "batch", pool.output_size])
    for value, width in zip(after, pool.state_sizes.values(), strict=True):
        graph.output(value, FLOAT, ["batch", width])

    given, states = torch.randn(BATCH, TIME, IN), before(pool)
    with torch.inference_mode():
        expected, last = pool.scan(given, tuple(states.values()))
    arrays = {key: as_numpy(value) for key, value in states.items()}
    found, *own = run(graph, x=as_numpy(given.transpose(0, 1)).copy(), **arrays)
    np.testing.assert_allclose(found, expected.transpose(0, 1).numpy(), atol=1e-5)
    for ours, theirs in zip(own, last, strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-5)


@pytest.mark.parametrize(
    "below",
    [
        ElmanCell(IN, WIDTH),
        GRUCell(IN, WIDTH),
        PassThrough(ElmanCell(IN, WIDTH), 2),
        PassThrough(GRUCell(IN, WIDTH), 2),
    ],
)
def test_the_end_alone_has_the_same_bits(below: Cell) -> None:
    """With the layer below it, whose Scan keeps the sums, or not."""
    below = shaken(below)
    pool = RunningPool(below.output_size, WIDTH)
    layer, graph = PoolLayer(2, pool, FLOATS), Graph("g")
    widths = [3, 2]
    values = [graph.input(f"x{i}", FLOAT, ["time", "batch", w]) for i, w in enumerate(widths)]
    states = [graph.input("s", FLOAT, ["batch", WIDTH]), *inputs(graph, pool)]
    sizes = graph.add("Shape", values[0], start=0, end=2)
    x = [Part(width, value) for width, value in zip(widths, values, strict=True)]
    done = layer.run(graph, cell_layer(1, below, FLOATS), x, sizes, states)
    every = joined(graph, done.at_all_times(graph))
    graph.output(every, FLOAT, ["time", "batch", pool.output_size])
    graph.output(joined(graph, done.at_end(graph)), FLOAT, [1, "batch", pool.output_size])
    for value in done.after:
        graph.output(value, FLOAT, ["batch", "width"])

    given, own, pooled = torch.randn(BATCH, TIME, IN), torch.rand(BATCH, WIDTH), before(pool)
    with torch.inference_mode():
        outputs, (state,) = below.scan(given, (own,))
        expected, last = pool.scan(outputs, tuple(pooled.values()))
    arrays = {key: as_numpy(value) for key, value in ({"s": own} | pooled).items()}
    pieces = np.split(as_numpy(given.transpose(0, 1)), [3], 2)
    arrays |= {f"x{i}": piece.copy() for i, piece in enumerate(pieces)}
    found, end, *after = run(graph, **arrays)
    np.testing.assert_allclose(found, expected.transpose(0, 1).numpy(), atol=1e-5)
    np.testing.assert_array_equal(end[0], found[-1])
    for ours, theirs in zip(after, (state, *last), strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-5)
