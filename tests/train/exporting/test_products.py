"""Matrix products and tables in float32, float16 and int8."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rnn_train.exporting.graph import FLOAT, INT64, Graph
from rnn_train.exporting.products import SMALLEST, LookUp, Products, Weights, products_of
from tests.train.exporting.examples import operators, run

KINDS: list[Weights] = ["float32", "float16", "int8"]
random = np.random.default_rng(3)
WEIGHT = random.standard_normal((256, 128)).astype(np.float32)
BIAS = random.standard_normal(128).astype(np.float32)


def product(weights: Weights, bounded: bool, bias: bool) -> Graph:
    graph = Graph("g")
    x = graph.input("x", FLOAT, ["n", 256])
    added = graph.constant("b", BIAS) if bias else ""
    y = products_of(weights).linear(graph, x, "w", WEIGHT, added, bounded)
    graph.output(y, FLOAT, ["n", 128])
    return graph


@pytest.fixture
def x() -> NDArray[np.float32]:
    values = np.random.default_rng(4).uniform(-1, 1, (7, 256)).astype(np.float32)
    values[3] *= 1e-3
    values[4] = 0
    return values


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("bounded", [True, False])
@pytest.mark.parametrize(("weights", "tolerance"), [("float32", 1e-4), ("float16", 0.1)])
def test_float_products(
    weights: Weights, tolerance: float, bounded: bool, bias: bool, x: NDArray[np.float32]
) -> None:
    (y,) = run(product(weights, bounded, bias), x=x)
    assert np.abs(y - (x @ WEIGHT + BIAS * bias)).max() < tolerance


@pytest.mark.parametrize("bounded", [True, False])
def test_integer_product(bounded: bool, x: NDArray[np.float32]) -> None:
    """It is near the true product, and no row depends on another, not even by rounding."""
    graph = product("int8", bounded, bias=True)
    (together,) = run(graph, x=x)
    alone = [run(graph, x=row[None])[0][0] for row in x]
    np.testing.assert_array_equal(together, alone)
    assert np.abs(together - (x @ WEIGHT + BIAS)).max() < 0.6
    if not bounded:  # each row has its own step
        assert np.abs(together[3] - (x[3] @ WEIGHT + BIAS)).max() < 6e-4
    np.testing.assert_array_equal(together[4], BIAS)


@pytest.mark.parametrize("weights", KINDS)
def test_small_matrices_stay_exact(weights: Weights) -> None:
    graph = Graph("g")
    products, small = products_of(weights), np.ones((8, 8), np.float32)
    value = products.linear(graph, graph.input("x", FLOAT, ["n", 8]), "w", small)
    graph.output(value, FLOAT, ["n", 8])
    row = products.rows_of(graph, "t", small, graph.input("places", INT64, ["n"]))
    graph.output(row, FLOAT, ["n", 8])
    assert operators(graph.proto()) == {"Gemm", "Gather"}
    assert not products.rounds(small)


@pytest.mark.parametrize("weights", KINDS)
def test_which_matrices_are_rounded(weights: Weights) -> None:
    rounds = products_of(weights).rounds
    rows = SMALLEST // 64
    assert rounds(np.zeros((rows, 64))) == (weights != "float32")
    assert not rounds(np.zeros((rows - 1, 64)))
    assert not rounds(np.zeros(SMALLEST))


@pytest.mark.parametrize(
    ("weights", "tolerance"), [("float32", 0), ("float16", 2e-3), ("int8", 0.04)]
)
def test_rows_of_a_table(weights: Weights, tolerance: float) -> None:
    graph = Graph("g")
    places = graph.input("places", INT64, ["batch", "time"])
    rows = products_of(weights).rows_of(graph, "t", WEIGHT, places)
    graph.output(rows, FLOAT, ["batch", "time", 128])
    asked = np.array([[0, 255, 3], [3, 7, 7]])
    (found,) = run(graph, places=asked)
    assert np.abs(found - WEIGHT[asked]).max() <= tolerance


@pytest.mark.parametrize(("weights", "dtype"), [("float16", np.float16), ("int8", np.int8)])
def test_large_weights_are_stored_rounded(weights: Weights, dtype: Any) -> None:
    stored = product(weights, bounded=False, bias=True).proto().initializer
    large = [each for each in stored if len(each.raw_data) > 2**10]
    assert [len(each.raw_data) for each in large] == [WEIGHT.size * np.dtype(dtype).itemsize]


def test_the_default_rounds_nothing() -> None:
    assert type(products_of("float32")) is Products


@pytest.mark.parametrize("capturable", [False, True])
@pytest.mark.parametrize("weights", KINDS)
def test_look_ups_together_are_those_alone(weights: Weights, capturable: bool) -> None:
    """Of large tables, of small ones, and of both side by side."""
    tables = [random.standard_normal(shape).astype(np.float32) for shape in ((9, 4), (SMALLEST, 2))]
    products, graph = products_of(weights), Graph("g", capturable=capturable)
    places = [graph.input(f"p{i}", INT64, ["time", "batch"]) for i in range(2)]
    look_ups = [
        LookUp("small", tables[0], places[0]),
        LookUp("large", tables[1], places[0]),
        LookUp("large", tables[1], places[1]),
    ]
    together = products.rows_of_all(graph, look_ups)
    joined = graph.add("Concat", *(value for value, _ in together), axis=-1)
    alone = graph.add("Concat", *(products.rows_of(graph, *each) for each in look_ups), axis=-1)
    assert sum(width for _, width in together) == 8
    for value in (joined, alone):
        graph.output(value, FLOAT, ["time", "batch", 8])
    found, expected = run(graph, p0=np.array([[0, 8, 3]]), p1=np.array([[SMALLEST - 1, 5, 0]]))
    np.testing.assert_array_equal(found, expected)
    assert len(together) == (2 if weights == "int8" and not capturable else 3)
