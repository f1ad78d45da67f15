"""Top-k and top-p as ONNX nodes: which tokens may be drawn."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from rnn_train.exporting import filters
from rnn_train.exporting.filters import SHAPES, UNUSED_SHAPES, FilterOptions
from rnn_train.exporting.graph import BOOL, FLOAT, INT64, Graph
from tests.train.exporting.examples import run

SIZE = 6
PROBABILITIES = np.array([0.1, 0.4, 0.05, 0.25, 0.15, 0.05], np.float32)

WAYS = ["with if", "all ranks", "needed ranks"]


def prepared(way: str) -> tuple[Graph, filters.Filters]:
    graph = Graph("g")
    top_k, top_p = graph.input("top_k", INT64, ["batch"]), graph.input("top_p", FLOAT, ["batch"])
    options = FilterOptions(top_k, top_p, SIZE)
    if way == "with if":
        return graph, options.prepare(graph)
    return graph, options.prepare_without_if(graph, rank_all=way == "all ranks")


def kept(top_k: list[int], top_p: list[float], way: str) -> NDArray[Any]:
    graph, chosen = prepared(way)
    logits = graph.input("logits", FLOAT, ["batch", SIZE])
    peak = graph.add("ReduceMax", logits, graph.constant("axis1", [1]))
    scale = graph.constant("scale", np.ones((1, 1), np.float32))
    graph.output(filters.allowed(graph, logits, peak, scale, chosen), FLOAT, ["batch", SIZE])
    (found,) = run(
        graph,
        logits=np.log(np.repeat(PROBABILITIES[None], len(top_k), 0)),
        top_k=np.array(top_k),
        top_p=np.array(top_p, np.float32),
    )
    return found


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("top_k", "top_p", "expected"),
    [
        (1, 1.0, [1]),
        (3, 1.0, [1, 3, 4]),
        (5, 1.0, [0, 1, 2, 3, 4, 5]),  # the fifth and the sixth are equally likely
        (99, 1.0, [0, 1, 2, 3, 4, 5]),
        (0, 0.3, [1]),
        (0, 0.5, [1, 3]),
        (0, 0.7, [1, 3, 4]),
        (2, 0.9, [1, 3]),
        (4, 0.5, [1, 3]),  # 0.5 of the weight that top-k keeps
    ],
)
def test_kept_tokens(top_k: int, top_p: float, expected: list[int], way: str) -> None:
    (row,) = kept([top_k], [top_p], way)
    assert set(row.tolist()) <= {0.0, 1.0}
    assert np.flatnonzero(row).tolist() == expected


@pytest.mark.parametrize("way", WAYS)
def test_rows_have_their_own_filters(way: str) -> None:
    found = kept([0, 2, 0], [1.0, 1.0, 0.3], way)
    assert found.sum(1).tolist() == [SIZE, 2, 1]


@pytest.mark.parametrize(
    ("top_k", "top_p", "active", "ranked"),
    [([0, 0], [1.0, 1.0], False, 1), ([0, 2], [1.0, 1.0], True, 2), ([3, 0], [1, 0.5], True, SIZE)],
)
@pytest.mark.parametrize("way", ["with if", "needed ranks"])
def test_no_more_is_ranked_than_a_row_needs(
    top_k: list[int], top_p: list[float], active: bool, ranked: int, way: str
) -> None:
    graph, chosen = prepared(way)
    graph.output(chosen.select, INT64, [1])
    graph.output(chosen.limit, FLOAT, ["batch", 1])  # so that top_p is in use
    if chosen.active:
        graph.output(chosen.active, BOOL, [])
    found = run(graph, top_k=np.array(top_k), top_p=np.array(top_p, np.float32))
    assert found[0].item() == ranked
    assert [each.item() for each in found[2:]] == [active] * (way == "with if")


def test_with_all_ranks_sizes_are_fixed() -> None:
    graph, chosen = prepared("all ranks")
    assert chosen.active == ""
    (select,) = (each for each in graph.proto().initializer if each.name == chosen.select)
    assert numpy_helper.to_array(select).tolist() == [SIZE]


def test_constants_have_the_shapes_that_are_declared() -> None:
    graph = Graph("g")
    chosen = filters.no_filters(graph)
    shapes = {each.name: list(each.dims) for each in graph.proto().initializer}
    assert [shapes[each] for each in chosen] == [list(dims) for _, dims in UNUSED_SHAPES]


def test_both_branches_give_the_same_types() -> None:
    graph = Graph("g")
    values = filters.typed(filters.no_filters(graph))
    assert [(kind, dims) for _, kind, dims in values] == list(SHAPES)
    assert len(SHAPES) == len(filters.Filters._fields)


def test_weights_are_a_softmax_before_its_division() -> None:
    graph = Graph("g")
    logits = graph.input("logits", FLOAT, ["batch", 3])
    peak = graph.add("ReduceMax", logits, graph.constant("axis1", [1]))
    scale = graph.constant("scale", np.full((1, 1), 2, np.float32))
    graph.output(filters.weights(graph, logits, peak, scale), FLOAT, ["batch", 3])
    (found,) = run(graph, logits=np.array([[1, 2, 0.5]], np.float32))
    np.testing.assert_allclose(found, np.exp([[-2, 0, -3]]), rtol=1e-6)
