"""Columns side by side: their values, their units, and what a product makes of the units."""

import numpy as np

from rnn_train.exporting.graph import FLOAT, INT64, Graph
from rnn_train.exporting.layers.parts import LookUp, Part, beside, in_units, joined, units
from tests.train.exporting.examples import run

SCALE = np.array([0.5, 2], np.float32)
ZERO = np.array([128, 128], np.float32)
X = np.random.default_rng(0).random((3, 2, 2), np.float32)


def test_the_value_in_units() -> None:
    graph = Graph("g")
    x = graph.input("x", FLOAT, ["time", "batch", 2])
    parts = [Part(2, x), Part(2, x, SCALE, ZERO)]
    graph.output(joined(graph, parts), FLOAT, ["time", "batch", 4])
    (found,) = run(graph, x=X)
    np.testing.assert_allclose(found, np.concatenate([X, (X - ZERO) * SCALE], 2), rtol=1e-6)


def test_a_product_takes_the_units_in() -> None:
    parts = [Part(2, "x"), Part(2, "y", SCALE, ZERO)]
    random = np.random.default_rng(1)
    weight, bias = random.random((4, 3), np.float32), random.random(3, np.float32)
    own_weight, own_bias = in_units(parts, weight, bias)
    as_is = np.concatenate([X, X], 2)
    exact = np.concatenate([X, (X - ZERO) * SCALE], 2)
    found = as_is @ own_weight + own_bias
    np.testing.assert_allclose(found, exact @ weight + bias, rtol=1e-4)


def test_exact_parts_leave_a_weight_as_it_is() -> None:
    weight, bias = np.ones((4, 3), np.float32), np.ones(3, np.float32)
    same = in_units([Part(2, "x"), Part(2, "y")], weight, bias)
    assert same[0] is weight
    assert same[1] is bias
    assert units([Part(2, "x")]) == (None, None)


def test_a_part_is_looked_up_where_it_is_needed() -> None:
    graph = Graph("g")
    table = np.arange(8, dtype=np.float32).reshape(4, 2)
    places = graph.input("places", INT64, ["time", "batch"])
    look_up = LookUp(table=graph.constant("t", table), rows=4, places=places)
    part = Part(2, look_up=look_up)
    assert not graph.proto().node
    graph.output(part.as_is(graph), FLOAT, ["time", "batch", 2])
    chosen = np.array([[3, 0, -1]])
    (found,) = run(graph, places=chosen)
    np.testing.assert_array_equal(found, table[chosen])


def test_one_value_is_not_copied() -> None:
    assert beside(Graph("g"), ["x"]) == "x"
