"""Nodes of 8-bit integers."""

import numpy as np

from rnn_train.exporting.graph import FLOAT, INT8, INT32, UINT8, Graph
from rnn_train.exporting.integer_nodes import (
    bounded_integers,
    index_of_bits,
    integer_product,
    integers_of_rows,
)
from tests.train.exporting.examples import operators, run

X = np.array([[-1, 0, 0.5, 1], [0, 0, 0, 0], [-8, 4, 2, 8]], np.float32)


def test_bounded_inputs_have_one_step() -> None:
    graph = Graph("g")
    x = graph.input("x", FLOAT, ["time", "batch", 4])
    graph.output(bounded_integers(graph, x, 4), UINT8, ["n", 4])
    (found,) = run(graph, x=X[None, :2])
    assert found.tolist() == [[1, 128, 192, 255], [128] * 4]


def test_each_row_has_its_own_step() -> None:
    graph = Graph("g")
    whole, step = integers_of_rows(graph, graph.input("x", FLOAT, ["n", 4]))
    graph.output(whole, UINT8, ["n", 4])
    graph.output(step, FLOAT, ["n", 1])
    integers, steps = run(graph, x=X)
    assert integers.tolist() == [[1, 128, 192, 255], [128] * 4, [1, 192, 160, 255]]
    np.testing.assert_allclose(steps[[0, 2], 0], np.array([1, 8]) / 127, rtol=1e-6)


def test_a_product_is_exact() -> None:
    graph = Graph("g")
    names = graph.input("x", UINT8, ["n", 40]), graph.input("w", INT8, [40, 3])
    graph.output(integer_product(graph, *names), INT32, ["n", 3])
    random = np.random.default_rng(0)
    x = random.integers(0, 256, (5, 40)).astype(np.uint8)
    w = random.integers(-63, 64, (40, 3)).astype(np.int8)
    (found,) = run(graph, x=x, w=w)
    np.testing.assert_array_equal(found, (x.astype(int) - 128) @ w.astype(int))


def test_an_index_is_counted_from_bits() -> None:
    graph = Graph("g")
    own = np.array([1, 0, 0, 1, 1, 0, 0, 0, 1], bool)
    rows = index_of_bits(graph, "rows", np.packbits(own), others=7)
    graph.output(rows, INT32, [16])
    (found,) = run(graph)
    assert found.tolist()[:9] == [0, 7, 7, 1, 2, 7, 7, 7, 3]
    assert set(found.tolist()[9:]) == {7}
    assert "CumSum" in operators(graph.proto())
