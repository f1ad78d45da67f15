"""Layers that need no Scan, against their cells in torch."""

import numpy as np
import pytest
import torch

from rnn_train.exporting.graph import FLOAT, Graph
from rnn_train.exporting.layers.elman import ElmanLayer
from rnn_train.exporting.layers.layer import as_numpy
from rnn_train.exporting.layers.ngram import NGramLayer
from rnn_train.exporting.layers.passing import PassThroughLayer
from rnn_train.exporting.layers.pool import PoolLayer
from rnn_train.exporting.layers.traced import TracedLayer
from rnn_train.exporting.layers.whole import GRULayer, cell_layer
from rnn_train.exporting.products import products_of
from rnn_train.models.cells import Cell, ElmanCell, GRUCell, LSTMCell
from rnn_train.models.ngrams import NGramCell
from rnn_train.models.pooling import PassThrough, RunningPool
from tests.train.exporting.examples import run, shaken

BATCH, TIME, IN, WIDTH = 3, 6, 5, 4


class FasterGRU(GRUCell):
    """A user's cell that only derives from a known one."""


def test_a_whole_sequence_is_the_cells_scan() -> None:
    cell = shaken(GRUCell(IN, WIDTH))
    layer = cell_layer(1, cell, products_of("float32"))
    assert type(layer) is GRULayer
    graph = Graph("g")
    x = graph.input("x", FLOAT, ["time", "batch", IN])
    state = graph.input("s", FLOAT, ["batch", WIDTH])
    sizes = graph.add("Shape", x, start=0, end=2)
    outputs, (after,) = layer.sequence(graph, x, sizes, [state])
    graph.output(outputs, FLOAT, ["time", "batch", WIDTH])
    graph.output(after, FLOAT, ["batch", WIDTH])
    assert {node.op_type for node in graph.proto().node} & {"GRU", "Scan"} == {"GRU"}

    given, before = torch.randn(BATCH, TIME, IN), torch.rand(BATCH, WIDTH)
    with torch.inference_mode():
        expected, (last,) = cell.scan(given, (before,))
    found, own = run(graph, x=as_numpy(given.transpose(0, 1)).copy(), s=as_numpy(before))
    np.testing.assert_allclose(found, expected.transpose(0, 1).numpy(), atol=1e-5)
    np.testing.assert_allclose(own, last.numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        (ElmanCell(IN, WIDTH), ElmanLayer),
        (NGramCell(IN, (31,), (2, 2), labels=2), NGramLayer),
        (PassThrough(GRUCell(IN, WIDTH), 2), PassThroughLayer),
        (RunningPool(IN, 3), PoolLayer),
        (LSTMCell(IN, WIDTH), TracedLayer),
    ],
)
def test_the_layer_of_each_cell(cell: Cell, kind: type) -> None:
    assert type(cell_layer(0, cell, products_of("float32"))) is kind


def test_a_derived_cell_is_traced() -> None:
    """It may have another equation, so the GRU node would be wrong."""
    assert type(cell_layer(0, FasterGRU(IN, WIDTH), products_of("float32"))) is TracedLayer


def test_a_rounded_gru_is_stepped_through() -> None:
    layer = cell_layer(0, GRUCell(128, 128), products_of("int8"))
    graph = Graph("g")
    x = graph.input("x", FLOAT, ["time", "batch", 128])
    sizes = graph.add("Shape", x, start=0, end=2)
    layer.sequence(graph, x, sizes, [graph.input("s", FLOAT, ["batch", 128])])
    assert {"Scan", "GRU"} & {node.op_type for node in graph.proto().node} == {"Scan"}
