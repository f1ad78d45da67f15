"""The builder of ONNX graphs."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import numpy_helper

from rnn_train.exporting.graph import BOOL, FLOAT, INT64, Graph, Value


def model(graph: Graph) -> onnx.ModelProto:
    proto = onnx.load_from_string(graph.model(18, 8, {}))
    onnx.checker.check_model(proto, full_check=True)
    return proto


def run(graph: Graph, **feed: NDArray[Any]) -> list[NDArray[Any]]:
    data = model(graph).SerializeToString()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    outputs: list[NDArray[Any]] = session.run(None, feed)
    return outputs


@given(st.lists(st.sampled_from(["a", "a.2", "a.3", "b", "b.2.2"]), max_size=12))
def test_names_are_fresh(hints: list[str]) -> None:
    graph = Graph("g")
    names = [graph.fresh(hint) for hint in hints]
    assert len(set(names)) == len(names)
    assert all(name.startswith(hint) for name, hint in zip(names, hints, strict=True))


def test_first_name_is_the_hint() -> None:
    graph = Graph("g")
    assert [graph.fresh("a"), graph.fresh("b")] == ["a", "b"]


def test_names_are_fresh_in_subgraphs_too() -> None:
    graph = Graph("g")
    body = graph.subgraph("body")
    inner = body.subgraph("body")
    names = [each.fresh("a") for each in (graph, body, inner, graph)]
    assert len(set(names)) == 4
    assert body.name != inner.name


def test_equal_constants_are_shared() -> None:
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
def test_other_constants_are_not_shared(other: Any) -> None:
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


def test_linear() -> None:
    random = np.random.default_rng(0)
    x, weight, bias = (random.random(s, dtype=np.float32) for s in ((4, 3), (3, 2), (2,)))
    graph = Graph("g")
    name = graph.input("x", FLOAT, ["n", 3])
    out = graph.linear(name, "W", weight, graph.constant("b", bias))
    graph.output(out, FLOAT, ["n", 2], name="y")
    (y,) = run(graph, x=x)
    np.testing.assert_allclose(y, x @ weight + bias, rtol=1e-6)


def test_subgraph_sees_what_is_outside() -> None:
    """A Loop that adds an outer value n times."""
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


def test_same_graph_same_bytes() -> None:
    assert build().model(18, 8, {"key": "value"}) == build().model(18, 8, {"key": "value"})


def test_model_tells_nothing_of_its_maker() -> None:
    proto = onnx.load_from_string(build().model(18, 8, {"key": "value"}))
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


@pytest.mark.parametrize("bounded", [True, False])
def test_rounded_product(bounded: bool) -> None:
    """Near the true product; and no row depends on another, not even by a rounding."""
    random = np.random.default_rng(3)
    weight = random.standard_normal((256, 128)).astype(np.float32)
    bias = random.standard_normal(128).astype(np.float32)
    x = random.uniform(-1, 1, (7, 256)).astype(np.float32)
    x[3] *= 1e-3
    x[4] = 0
    graph = Graph("g", weights="int8")
    value = graph.input("x", FLOAT, ["n", 256])
    value = graph.linear(value, "w", weight, graph.constant("b", bias), bounded)
    graph.output(value, FLOAT, ["n", 128])
    data = model(graph).SerializeToString()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    (together,) = session.run(None, {"x": x})
    alone = [session.run(None, {"x": row[None]})[0][0] for row in x]
    np.testing.assert_array_equal(together, alone)
    assert np.abs(together - (x @ weight + bias)).max() < 0.6
    if not bounded:  # a step of each row's own
        assert np.abs(together[3] - (x[3] @ weight + bias)).max() < 6e-4
    np.testing.assert_array_equal(together[4], bias)


def test_small_products_stay_exact() -> None:
    graph = Graph("g", weights="int8")
    value = graph.linear(graph.input("x", FLOAT, ["n", 8]), "w", np.ones((8, 8), np.float32))
    graph.output(value, FLOAT, ["n", 8])
    assert {node.op_type for node in graph.proto().node} == {"Gemm"}
