"""The plain recurrent layer, against its cell in torch."""

import numpy as np
import pytest
import torch

from rnn_train.exporting.graph import FLOAT, INT64, UINT8, Graph
from rnn_train.exporting.layers import elman as module
from rnn_train.exporting.layers.elman import ElmanLayer
from rnn_train.exporting.layers.layer import as_numpy
from rnn_train.exporting.layers.parts import LookUp, Part
from rnn_train.exporting.products import Weights, products_of
from rnn_train.models.cells import ElmanCell
from tests.train.exporting.examples import operators, run, shaken

BATCH, TIME = 3, 4
random = np.random.default_rng(0)


@pytest.fixture(scope="module")
def large() -> ElmanCell:
    """Its two matrices are large enough to be rounded, also the rows of 256 columns of W."""
    torch.manual_seed(0)
    return shaken(ElmanCell(258, 256), 0.02)


@pytest.mark.parametrize("folds", [True, False])
def test_the_product_of_parts(folds: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of tokens, a plain part, and one in other units."""
    monkeypatch.setattr(module, "_MAX_TABLE", 2**20 if folds else 0)
    cell = shaken(ElmanCell(7, 4))
    layer, graph = ElmanLayer(1, cell, products_of("float32")), Graph("g")
    table = random.random((5, 2), np.float32)
    scale, zero = random.random(3, np.float32), np.full(3, 128, np.float32)
    tokens = graph.input("tokens", INT64, ["time", "batch"])
    x, y = (
        graph.input(name, FLOAT, ["time", "batch", size]) for name, size in (("x", 2), ("y", 3))
    )
    look_up = LookUp(table=graph.constant("table", table), rows=5, places=tokens)
    parts = [Part(2, x), Part(2, look_up=look_up), Part(3, y, scale, zero)]
    sizes = graph.add("Shape", x, start=0, end=2)
    graph.output(layer.project_parts(graph, parts, sizes), FLOAT, ["time", "batch", 4])
    chosen = random.integers(5, size=(TIME, BATCH))
    values = {key: random.random((TIME, BATCH, w), np.float32) for key, w in (("x", 2), ("y", 3))}
    (found,) = run(graph, tokens=chosen, **values)
    whole = np.concatenate([values["x"], table[chosen], (values["y"] - zero) * scale], 2)
    with torch.inference_mode():
        expected = cell.project(torch.from_numpy(whole))
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-4)


def test_integers_are_multiplied_as_they_are(large: ElmanCell) -> None:
    layer, graph = ElmanLayer(1, large, products_of("int8")), Graph("g")
    x = graph.input("x", FLOAT, ["time", "batch", 2])
    whole = graph.input("whole", UINT8, ["time", "batch", 256])
    value = graph.add("Cast", whole, to=FLOAT)
    scale, zero = np.full(256, 0.01, np.float32), np.full(256, 128, np.float32)
    parts = [Part(2, x), Part(256, value, scale, zero, whole)]
    sizes = graph.add("Shape", x, start=0, end=2)
    graph.output(layer.project_parts(graph, parts, sizes), FLOAT, ["time", "batch", 256])
    given = random.random((TIME, BATCH, 2), np.float32)
    integers = random.integers(1, 256, size=(TIME, BATCH, 256)).astype(np.uint8)
    (found,) = run(graph, x=given, whole=integers)
    exact = (integers.astype(np.float32) - 128) * np.float32(0.01)
    with torch.inference_mode():
        expected = large.project(torch.from_numpy(np.concatenate([given, exact], 2))).numpy()
    assert "MatMulInteger" in operators(graph.proto())
    assert np.abs(found - expected).max() < 0.03 * np.abs(expected).max()


def test_parts_of_integers_are_one_product(large: ElmanCell) -> None:
    """Also if the integers that stand for 0 are others than those of the product."""
    layer, graph = ElmanLayer(1, large, products_of("int8")), Graph("g")
    widths = {"x": 2, "a": 100, "b": 156}
    kinds = {"x": FLOAT, "a": UINT8, "b": UINT8}
    names = {
        key: graph.input(key, kinds[key], ["time", "batch", width]) for key, width in widths.items()
    }
    units = {
        key: (random.uniform(0.005, 0.02, width), random.uniform(90, 160, width))
        for key, width in widths.items()
    }
    parts = [Part(2, names["x"])]
    for key in "ab":
        scale, zero = (each.astype(np.float32) for each in units[key])
        value = graph.add("Cast", names[key], to=FLOAT)
        parts.append(Part(widths[key], value, scale, zero, names[key]))
    sizes = graph.add("Shape", names["x"], start=0, end=2)
    graph.output(layer.project_parts(graph, parts, sizes), FLOAT, ["time", "batch", 256])
    given = {
        key: random.integers(1, 256, (TIME, BATCH, width)).astype(np.uint8)
        for key, width in widths.items()
    }
    first = random.random((TIME, BATCH, 2), np.float32)
    (found,) = run(graph, **given | {"x": first})
    exact = [(given[key] - units[key][1]) * units[key][0] for key in "ab"]
    whole = np.concatenate([first, *exact], 2).astype(np.float32)
    with torch.inference_mode():
        expected = large.project(torch.from_numpy(whole)).numpy()
    assert np.abs(found - expected).max() < 0.03 * np.abs(expected).max()
    assert sum(node.op_type == "MatMulInteger" for node in graph.proto().node) == 1


@pytest.mark.parametrize("weights", ["float32", "int8"])
def test_a_step(weights: Weights, large: ElmanCell) -> None:
    layer, graph = ElmanLayer(1, large, products_of(weights)), Graph("g")
    x, s = (graph.input(name, FLOAT, ["batch", 256]) for name in "xs")
    output, (after,) = layer.step(graph, x, [s])
    assert output == after
    graph.output(after, FLOAT, ["batch", 256])
    projected, state = torch.randn(BATCH, 256), torch.rand(BATCH, 256) * 2 - 1
    with torch.inference_mode():
        (expected,) = large(projected, (state,))
    (found,) = run(graph, x=as_numpy(projected), s=as_numpy(state))
    limit = 1e-5 if weights == "float32" else 0.03
    assert np.abs(found - expected.numpy()).max() < limit
    # A state lies in [-1, 1]: no search for its largest number.
    assert "ReduceMax" not in operators(graph.proto())
