"""Matrix products and tables in float32, float16 and int8."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rnn_train.exporting.graph import FLOAT, INT32, INT64, UINT8, Graph
from rnn_train.exporting.products import (
    SMALLEST,
    IntegerProducts,
    Products,
    Table,
    Weights,
    products_of,
)
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
    row = products.rows_of(graph, Table("t", small), graph.input("places", INT64, ["n"]))
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
    ("weights", "tolerance"), [("float32", 0), ("float16", 2e-3), ("int8", 0.02)]
)
def test_rows_of_a_table(weights: Weights, tolerance: float) -> None:
    graph = Graph("g")
    places = graph.input("places", INT64, ["batch", "time"])
    rows = products_of(weights).rows_of(graph, Table("t", WEIGHT), places)
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


@pytest.mark.parametrize("centre", [False, True])
@pytest.mark.parametrize("rows", [9, SMALLEST])
@pytest.mark.parametrize("weights", KINDS)
def test_rows_beside_each_other_are_those_alone(weights: Weights, rows: int, centre: bool) -> None:
    """A small table stays exact; a large one may be in other units."""
    values = random.standard_normal((rows, 2)).astype(np.float32)
    table = Table("t", values, values[-1] if centre else None)
    products, graph = products_of(weights), Graph("g")
    places = graph.input("places", INT64, ["time", "batch", 3])
    shape = graph.constant("shape", [1, 4, 6])
    found = products.rows_beside(graph, table, places, shape)
    graph.output(found.value, FLOAT, [1, 4, 6])
    alone = products.rows_of(graph, table._replace(name="alone"), places)
    graph.output(graph.add("Reshape", alone, shape), FLOAT, [1, 4, 6])
    chosen = np.random.default_rng(6).integers(rows, size=(1, 4, 3))
    chosen[0, 0] = rows - 1
    value, expected = run(graph, places=chosen)
    scale = 1 if found.scale is None else np.tile(found.scale, 3)
    zero = 0 if found.zero is None else np.tile(found.zero, 3)
    np.testing.assert_allclose((value - zero) * scale, expected, rtol=1e-5, atol=1e-6)
    assert bool(found.whole) == (weights == "int8" and rows == SMALLEST)
    if weights == "int8" and centre:  # the centre is exact
        np.testing.assert_allclose(expected[0, 0], np.tile(values[-1], 3), rtol=1e-6)


@pytest.mark.parametrize("weights", KINDS)
def test_the_index_of_a_table(weights: Weights) -> None:
    """In an int8 file it has a bit for each entry, if the rows are in the order of the entries."""
    products = products_of(weights)
    rows = np.full(1001, 500, np.int32)
    rows[::3] = np.arange(len(rows[::3]))
    for index in (rows, rows[::-1]):
        graph = Graph("g")
        places = graph.input("places", INT64, ["n"])
        found = products.index(graph, "rows", np.ascontiguousarray(index))
        graph.output(graph.add("Gather", found, places), INT32, ["n"])
        (value,) = run(graph, places=np.arange(len(index)))
        np.testing.assert_array_equal(value, index)
        packed = weights == "int8" and index is rows
        stored = {each.name for each in graph.proto().initializer}
        assert ("rows.bits" in stored) == packed == ("rows" not in stored)


def test_inputs_of_unlike_sizes_are_rounded_alike() -> None:
    """Large inputs with small weights leave enough of the steps for small inputs with large
    weights."""
    products, graph = products_of("int8"), Graph("g")
    sizes = np.where(np.arange(256) % 2, 300.0, 1.0).astype(np.float32)[:, None]
    value = products.linear(graph, graph.input("x", FLOAT, ["n", 256]), "w", WEIGHT / sizes)
    graph.output(value, FLOAT, ["n", 128])
    given = np.random.default_rng(8).uniform(-1, 1, (5, 256)).astype(np.float32)
    (found,) = run(graph, x=given * sizes[:, 0])
    assert np.abs(found - given @ WEIGHT).max() < 0.6


def test_a_product_of_integers_as_they_are() -> None:
    products, graph = products_of("int8"), Graph("g")
    assert isinstance(products, IntegerProducts)
    whole = graph.input("whole", UINT8, ["n", 256])
    graph.output(products.whole_linear(graph, whole, "w", WEIGHT), FLOAT, ["n", 128])
    given = np.random.default_rng(7).integers(1, 256, size=(5, 256)).astype(np.uint8)
    (found,) = run(graph, whole=given)
    exact = (given.astype(np.float32) - 128) @ WEIGHT
    assert np.abs(found - exact).max() < 0.03 * np.abs(exact).max()
