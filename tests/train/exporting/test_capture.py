"""Splits and joins that a CUDA graph can replay."""

from collections.abc import Sequence

import numpy as np
import pytest

from rnn_train.errors import ExportError
from rnn_train.exporting import capture
from rnn_train.exporting.graph import FLOAT, INT64, Graph
from tests.train.exporting.examples import operators, run


@pytest.mark.parametrize("capturable", [False, True])
@pytest.mark.parametrize("sizes", [(2, 2), (1, 3, 2)])
def test_split_and_join_are_inverse(capturable: bool, sizes: Sequence[int]) -> None:
    total = sum(sizes)
    graph = Graph("g", capturable=capturable)
    x = graph.input("x", FLOAT, ["batch", total])
    parts = capture.split(graph, x, sizes, [f"part{size}" for size in sizes], axis=1)
    for each, size in zip(parts, sizes, strict=True):
        graph.output(each, FLOAT, ["batch", size])
    graph.output(capture.join(graph, parts, sizes, "joined"), FLOAT, ["batch", total])
    values = np.arange(3 * total, dtype=np.float32).reshape(3, total)
    *found, joined = run(graph, x=values)
    for part, expected in zip(found, np.split(values, np.cumsum(sizes)[:-1], 1), strict=True):
        np.testing.assert_array_equal(part, expected)
    np.testing.assert_array_equal(joined, values)
    plain = {"Split", "Concat"} <= operators(graph.proto())
    assert plain == (not capturable or len(set(sizes)) == 1)
    if capturable:
        capture.check_joints(graph.model(18, 8, {}))


def test_subgraphs_follow_the_main_graph() -> None:
    body = Graph("g", capturable=True).subgraph("body").subgraph("inner")
    capture.split(body, body.input("x", FLOAT, ["batch", 3]), (1, 2), ["a", "b"], axis=1)
    assert operators(body.proto()) == {"Slice"}


def test_weights_may_be_joined() -> None:
    """Their sizes are known, although they are neither inputs nor computed."""
    graph = Graph("g", capturable=True)
    weights = [graph.constant(name, np.full((2, 3), i)) for i, name in enumerate("ab")]
    both = graph.add("Concat", *weights, axis=0)
    graph.output(graph.add("Add", both, graph.input("x", INT64, [4, 3])), INT64, [4, 3])
    capture.check_joints(graph.model(18, 8, {}))


@pytest.mark.parametrize("known", [True, False])
def test_parts_that_cannot_be_joined_are_refused(known: bool) -> None:
    """The sizes are unequal, or one of them is unknown."""
    graph = Graph("unequal", capturable=True)
    sizes: list[int | str] = [2, 3 if known else "width"]
    parts = [
        graph.input(name, FLOAT, ["batch", size]) for name, size in zip("xy", sizes, strict=True)
    ]
    graph.output(graph.add("Concat", *parts, axis=1), FLOAT, ["batch", "joined"])
    with pytest.raises(ExportError, match="join parts of one size only"):
        capture.check_joints(graph.model(18, 9, {}))
