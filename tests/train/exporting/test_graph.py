"""The builder of ONNX graphs: names, constants, subgraphs, and small helpers."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import numpy_helper

from rnn_train.exporting.graph import BOOL, FLOAT, INT64, Graph, Value
from tests.train.exporting.examples import run


@given(st.lists(st.sampled_from(["a", "a.2", "a.3", "b", "b.2.2"]), max_size=12))
def test_names_are_fresh(hints: list[str]) -> None:
    graph = Graph("g")
    names = [graph.fresh(hint) for hint in hints]
    assert len(set(names)) == len(names)
    assert all(name.startswith(hint) for name, hint in zip(names, hints, strict=True))


def test_first_name_is_the_hint() -> None:
    graph = Graph("g")
    assert [graph.fresh("a"), graph.fresh("b")] == ["a", "b"]


def test_names_are_fresh_across_subgraphs() -> None:
    graph = Graph("g")
    body = graph.subgraph("body")
    inner = body.subgraph("body")
    names = [each.fresh("a") for each in (graph, body, inner, graph)]
    assert len(set(names)) == 4
    assert body.name != inner.name


def test_equal_constants_are_stored_once() -> None:
    graph = Graph("g")
    body = graph.subgraph("body")
    one = graph.constant("one", 1.0)
    assert graph.constant("one", 1.0) == one
    assert body.constant("one", np.float32(1)) == one
    assert graph.constant("list", [1, 2]) == graph.constant("list", np.array([1, 2]))
    assert len(graph.proto().initializer) == 2
    assert len(body.proto().initializer) == 0


@pytest.mark.parametrize(
    "other", [2.0, 1, [1.0], np.array(1, np.int32), np.ones((1, 1), np.float32), True]
)
def test_different_constants_are_stored_apart(other: Any) -> None:
    graph = Graph("g")
    assert graph.constant("one", 1.0) != graph.constant("one", other)
    values = [numpy_helper.to_array(each) for each in graph.proto().initializer]
    assert len(values) == 2
    assert values[0].shape == ()
    assert values[1].shape == np.shape(other)
    np.testing.assert_array_equal(values[1], other)


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(0.5, np.float32), (np.zeros(2), np.float32), (3, np.int64), ([1], np.int64)],
)
def test_types_of_constants(value: Any, dtype: type) -> None:
    graph = Graph("g")
    graph.constant("c", value)
    assert numpy_helper.to_array(graph.proto().initializer[0]).dtype == dtype


def test_transposed_weight_keeps_its_values() -> None:
    weight = np.arange(6, dtype=np.float32).reshape(2, 3).T
    graph = Graph("g")
    graph.constant("W", weight)
    np.testing.assert_array_equal(numpy_helper.to_array(graph.proto().initializer[0]), weight)


def test_subgraph_can_use_outer_values() -> None:
    """A Loop adds an outer value n times."""
    graph = Graph("g")
    times = graph.input("times", INT64, [])
    x = graph.input("x", FLOAT, ["n"])
    double = graph.add("Add", x, x)
    body = graph.subgraph("body")
    body.input("turn", INT64, [])
    go_on = body.input("go_on", BOOL, [])
    total = body.input("total", FLOAT, ["n"])
    added = body.add("Add", total, double)
    body.output(go_on, BOOL, [], name=body.fresh("go_on_next"))
    body.output(added, FLOAT, ["n"])
    result = graph.add("Loop", times, "", x, name="result", body=body.proto())
    graph.output(result, FLOAT, ["n"])
    (y,) = run(graph, times=np.array(3), x=np.array([1, 2], np.float32))
    assert y.tolist() == [7, 14]


def build() -> Graph:
    graph = Graph("g")
    graph.output(
        graph.add("Mul", graph.input("x", FLOAT, [1]), graph.constant("k", 2.0)), FLOAT, [1]
    )
    return graph


def test_same_graph_gives_the_same_bytes() -> None:
    models = [build().model(18, 8, {"key": "value"}) for _ in range(2)]
    assert models[0].SerializeToString(deterministic=True) == models[1].SerializeToString(
        deterministic=True
    )


def test_building_a_model_does_not_change_the_graph() -> None:
    graph = build()
    first, second = (graph.model(18, 8, {"key": value}) for value in ("a", "b"))
    assert first.graph == second.graph


def test_an_output_is_named_where_it_is_computed() -> None:
    """Also in the graphs inside; an Identity is left where a value needs a second name."""
    graph = Graph("g")
    x, flag = graph.input("x", FLOAT, [1]), graph.input("flag", BOOL, [])
    double = graph.add("Add", x, x)

    def then(body: Graph) -> list[Value]:
        return [(body.add("Add", double, x), FLOAT, [1])]

    def otherwise(_: Graph) -> list[Value]:
        return [(double, FLOAT, [1])]

    (chosen,) = graph.branch(flag, then, otherwise)
    for value, name in ((double, "twice"), (double, "again"), (x, "same"), (chosen, "chosen_out")):
        graph.output(value, FLOAT, [1], name=graph.fresh(name))
    nodes = graph.proto().node
    assert [(n.op_type, *n.output) for n in nodes] == [
        ("Add", "twice"),
        ("If", "chosen_out"),
        ("Identity", "again"),
        ("Identity", "same"),
    ]
    inner = {a.name: [n.op_type for n in a.g.node] for a in nodes[1].attribute}
    assert inner == {"then_branch": ["Add"], "else_branch": ["Identity"]}
    found = run(graph, x=np.array([3], np.float32), flag=np.array(True))
    assert [each.item() for each in found] == [6, 6, 3, 9]


def test_model_does_not_name_its_producer() -> None:
    proto = build().model(18, 8, {"key": "value"})
    assert (proto.ir_version, proto.producer_name, proto.doc_string) == (8, "", "")
    assert [(each.domain, each.version) for each in proto.opset_import] == [("", 18)]
    assert [(each.key, each.value) for each in proto.metadata_props] == [("key", "value")]


def test_branches() -> None:
    graph = Graph("g")
    x, flag = graph.input("x", FLOAT, [1]), graph.input("flag", BOOL, [])

    def then(body: Graph) -> list[Value]:
        return [(body.add("Add", x, x), FLOAT, [1]), (x, FLOAT, [1])]

    def otherwise(body: Graph) -> list[Value]:
        return [(x, FLOAT, [1]), (body.add("Neg", x), FLOAT, [1])]

    for value in graph.branch(flag, then, otherwise):
        graph.output(value, FLOAT, [1])
    chosen = run(graph, x=np.array([3], np.float32), flag=np.array(True))
    assert [each.item() for each in chosen] == [6, 3]
    chosen = run(graph, x=np.array([3], np.float32), flag=np.array(False))
    assert [each.item() for each in chosen] == [3, -3]


def test_slice() -> None:
    graph = Graph("g")
    x = graph.input("x", FLOAT, [4, 5])
    graph.output(graph.slice(x, 1, 3, axis=0), FLOAT, [2, 5])
    graph.output(graph.slice(x, -2, None, axis=1), FLOAT, [4, 2])
    values = np.arange(20, dtype=np.float32).reshape(4, 5)
    rows, columns = run(graph, x=values)
    np.testing.assert_array_equal(rows, values[1:3])
    np.testing.assert_array_equal(columns, values[:, -2:])


@pytest.mark.parametrize("count", [1, 3])
def test_columns(count: int) -> None:
    graph = Graph("g")
    for column in graph.columns(graph.input("x", INT64, ["batch", count]), count, "column"):
        graph.output(column, INT64, ["batch", 1])
    values = np.arange(2 * count).reshape(2, count)
    np.testing.assert_array_equal(np.concatenate(run(graph, x=values), 1), values)
    assert {node.op_type for node in graph.proto().node} <= ({"Split"} if count > 1 else set())


def test_rows_and_back() -> None:
    graph = Graph("g")
    x = graph.input("x", FLOAT, ["time", "batch", 2])
    sizes = graph.add("Shape", x, start=0, end=2)
    rows = graph.rows(x, 2)
    graph.output(rows, FLOAT, ["n", 2])
    graph.output(graph.by_time(rows, sizes, 2), FLOAT, ["time", "batch", 2])
    values = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    flat, back = run(graph, x=values)
    np.testing.assert_array_equal(flat, values.reshape(6, 2))
    np.testing.assert_array_equal(back, values)
