"""Layers that need no Scan, against their cells in torch."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from rnn_train.exporting.graph import FLOAT, Graph
from rnn_train.exporting.layers.layer import as_numpy
from rnn_train.exporting.layers.traced import TracedLayer
from rnn_train.exporting.layers.whole import (
    GRULayer,
    NGramLayer,
    PassThroughLayer,
    PoolLayer,
    cell_layer,
)
from rnn_train.exporting.products import products_of
from rnn_train.models.cells import Cell, GRUCell
from rnn_train.models.ngrams import Counted, NGramCell
from rnn_train.models.pooling import PassThrough, RunningPool
from tests.train.exporting.examples import run, shaken

BATCH, TIME, IN, WIDTH = 3, 6, 5, 4


class FasterGRU(GRUCell):
    """A user's cell that only derives from a known one."""


def ngrams() -> NGramCell:
    cell = NGramCell(IN, (31, 97), (3, 2), width=3, labels=2)
    codes = torch.randint(1, 4, (BATCH, TIME)).float()
    cell.count([Counted(codes, torch.full((BATCH,), TIME), torch.tensor([0, 1, 0]))])
    return cell


CELLS: dict[str, tuple[Callable[[], Cell], type, set[str]]] = {
    "gru": (lambda: GRUCell(IN, WIDTH), GRULayer, {"GRU"}),
    "pass-through": (lambda: PassThrough(GRUCell(IN, WIDTH), 2), PassThroughLayer, {"GRU"}),
    "pool": (lambda: RunningPool(IN, 3), PoolLayer, {"Scan"}),
    "n-grams": (ngrams, NGramLayer, set()),
}


def inputs(cell: Cell) -> dict[str, torch.Tensor]:
    x = torch.randn(BATCH, TIME, cell.input_size)
    if isinstance(cell, NGramCell):
        x[..., -1] = torch.randint(1, 4, (BATCH, TIME)).float()
    states = {name: torch.rand(BATCH, width) for name, width in cell.state_sizes.items()}
    if "count" in states:
        states["count"] = states["count"].ceil()
    if "codes" in states:
        states["codes"] = torch.randint(0, 4, states["codes"].shape).float()
    return {"x": x, **states}


@pytest.mark.parametrize("name", CELLS)
def test_a_whole_sequence_is_the_cells_scan(name: str) -> None:
    make, kind, special = CELLS[name]
    cell = make() if name == "n-grams" else shaken(make())
    layer = cell_layer(1, cell, products_of("float32"))
    assert type(layer) is kind
    graph = Graph("g")
    x = graph.input("x", FLOAT, ["time", "batch", IN])
    states = [graph.input(key, FLOAT, ["batch", w]) for key, w in cell.state_sizes.items()]
    sizes = graph.add("Shape", x, start=0, end=2)
    outputs, after = layer.sequence(graph, x, sizes, states)
    graph.output(outputs, FLOAT, ["time", "batch", cell.output_size])
    for value, width in zip(after, cell.state_sizes.values(), strict=True):
        graph.output(value, FLOAT, ["batch", width])
    assert {node.op_type for node in graph.proto().node} & {"GRU", "Scan"} == special

    given = inputs(cell)
    with torch.inference_mode():
        expected, last = cell.scan(given["x"], tuple(given[key] for key in cell.state_sizes))
    arrays = {key: as_numpy(value) for key, value in given.items()}
    arrays["x"] = arrays["x"].swapaxes(0, 1).copy()
    found, *states_after = run(graph, **arrays)
    np.testing.assert_allclose(found, expected.transpose(0, 1).numpy(), atol=1e-5)
    for ours, theirs in zip(states_after, last, strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-5)


@pytest.mark.parametrize("capturable", [True, False])
def test_a_step_with_ngrams_is_the_cells_step(capturable: bool) -> None:
    cell = ngrams()
    layer = cell_layer(0, cell, products_of("float32"))
    graph = Graph("g", capturable=capturable)
    x, codes = (
        graph.input(name, FLOAT, ["batch", width])
        for name, width in (("x", IN), ("codes", cell.state_sizes["codes"]))
    )
    output, (after,) = layer.advance(graph, x, [codes])
    graph.output(output, FLOAT, ["batch", cell.output_size])
    graph.output(after, FLOAT, ["batch", cell.state_sizes["codes"]])
    given = inputs(cell)
    now, before = given["x"][:, 0], given["codes"]
    with torch.inference_mode():
        expected = cell(now, (before,))
        features = cell.output(now, expected)
    found, state = run(graph, x=as_numpy(now), codes=as_numpy(before))
    np.testing.assert_array_equal(state, expected[0].numpy())
    np.testing.assert_allclose(found, features.numpy(), atol=1e-6)


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
