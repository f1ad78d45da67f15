"""The graph of a file: fields, operators, subgraphs and names."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rnn_infer import contract
from rnn_infer.modelfile.onnx_proto import model_class

Edited = Callable[..., Path]
Refusal = Callable[..., str]
FLOAT, INT32, INT64, STRING, BFLOAT16 = 1, 6, 7, 8, 16


# --- fields, operators and texts ------------------------------------------------------

BODY = b"\x0a\x01x"
"""Field 1 with one letter: a valid body of many messages."""


def unknown_field(number: int) -> bytes:
    """Return a field of that number as bytes of a message."""
    key = number << 3 | 2
    head = bytes([key]) if key < 128 else bytes([key & 127 | 128, key >> 7])
    return head + bytes([len(BODY)]) + BODY


@pytest.mark.parametrize(
    ("find", "number"),
    [
        pytest.param(lambda it: it, 25, id="functions"),
        pytest.param(lambda it: it, 20, id="training_info"),
        pytest.param(lambda it: it, 26, id="configuration"),
        pytest.param(lambda it: it.opset_import[0], 9, id="opset"),
        pytest.param(lambda it: it.graph, 15, id="sparse_initializer"),
        pytest.param(lambda it: it.graph, 14, id="quantization_annotation"),
        pytest.param(lambda it: it.graph.node[0], 8, id="overload"),
        pytest.param(lambda it: with_attribute(it.graph).attribute[0], 11, id="graphs"),
        pytest.param(lambda it: with_attribute(it.graph).attribute[0], 10, id="tensors"),
        pytest.param(lambda it: with_attribute(it.graph).attribute[0], 21, id="ref_attr_name"),
        pytest.param(lambda it: it.graph.initializer[0], 3, id="segment"),
        pytest.param(lambda it: it.graph.input[0], 4, id="value metadata"),
        pytest.param(lambda it: it.graph.input[0].type, 4, id="sequence_type"),
        pytest.param(lambda it: it.graph.input[0].type, 9, id="optional_type"),
        pytest.param(lambda it: it.graph.input[0].type.tensor_type, 3, id="in a tensor type"),
        pytest.param(lambda it: it.graph.input[0].type.tensor_type.shape, 2, id="in a shape"),
        pytest.param(
            lambda it: it.graph.input[0].type.tensor_type.shape.dim[0], 4, id="in a dimension"
        ),
        pytest.param(lambda it: body_of(it, "Loop"), 15, id="in a loop"),
        pytest.param(lambda it: body_of(it, "Scan").node[0], 8, id="in a scan"),
    ],
)
def test_unknown_field(
    refusal: Refusal, edited: Edited, find: Callable[[Any], Any], number: int
) -> None:
    said = refusal(edited(lambda it: find(it).MergeFromString(unknown_field(number))))
    assert "has fields that the format does not know" in said


def body_of(model: Any, op: str) -> Any:
    """Return the subgraph of the first node of that operator."""
    node = next(node for node in model.graph.node if node.op_type == op.encode())
    return next(each.g for each in node.attribute if each.HasField("g"))


def with_attribute(graph: Any) -> Any:
    """Return the first node that has an attribute."""
    return next(node for node in graph.node if node.attribute)


def everywhere(model: Any) -> dict[str, Any]:
    """Return the main graph and two subgraphs, where each rule must hold."""
    return {"main": model.graph, "loop": body_of(model, "Loop"), "scan": body_of(model, "Scan")}


@pytest.mark.parametrize("place", ["main", "loop", "scan"])
@pytest.mark.parametrize(
    ("domain", "op"),
    [
        ("", "RandomUniform"),
        ("", "Multinomial"),
        ("", "MatMulNBits"),
        ("", "loop"),
        ("", ""),
        ("ai.onnx", "Add"),
        ("com.microsoft", "Add"),
        ("com.microsoft", "BeamSearch"),
        ("ai.onnx.ml", "TreeEnsemble"),
        ("", "x" * 5000),
    ],
)
def test_operator_not_on_the_allow_list(
    refusal: Refusal, edited: Edited, place: str, domain: str, op: str
) -> None:
    def change(model: Any) -> None:
        node = everywhere(model)[place].node[0]
        node.op_type, node.domain = op.encode(), domain.encode()

    said = refusal(edited(change))
    assert "is not on the allow-list" in said
    assert op[:20] in said


@pytest.mark.parametrize("place", ["main", "loop"])
def test_operator_name_that_is_not_utf_8(refusal: Refusal, edited: Edited, place: str) -> None:
    def change(model: Any) -> None:
        everywhere(model)[place].node[0].op_type = b"\xff"

    assert "not UTF-8" in refusal(edited(change))


@pytest.mark.parametrize(
    ("find", "field"),
    [
        pytest.param(lambda it: it, "producer_name", id="producer"),
        pytest.param(lambda it: it, "doc_string", id="text of the model"),
        pytest.param(lambda it: it.graph, "name", id="graph"),
        pytest.param(lambda it: it.graph.node[0], "name", id="node"),
        pytest.param(lambda it: it.graph.node[0], "doc_string", id="text of a node"),
        pytest.param(lambda it: with_attribute(it.graph).attribute[0], "name", id="attribute"),
        pytest.param(lambda it: it.graph.initializer[0], "doc_string", id="text of a tensor"),
        pytest.param(lambda it: it.graph.input[0], "doc_string", id="text of an input"),
        pytest.param(
            lambda it: it.graph.input[0].type.tensor_type.shape.dim[0], "dim_param", id="dimension"
        ),
        pytest.param(lambda it: body_of(it, "Loop").node[0], "name", id="in a loop"),
    ],
)
def test_name_that_is_not_utf_8(
    refusal: Refusal, edited: Edited, find: Callable[[Any], Any], field: str
) -> None:
    """onnxruntime would fail on it and print that on standard output."""
    said = refusal(edited(lambda it: setattr(find(it), field, b"a\xff")))
    assert said.startswith(f"damaged or not an ONNX file: {field} of ")
    assert said.endswith("is not UTF-8")


@pytest.mark.parametrize("field", ["input", "output"])
def test_value_name_that_is_not_utf_8(refusal: Refusal, edited: Edited, field: str) -> None:
    said = refusal(edited(lambda it: getattr(it.graph.node[0], field).append(b"\xff")))
    assert said.endswith("is not UTF-8")


def test_cycle_of_names_that_are_not_utf_8(refusal: Refusal, edited: Edited) -> None:
    def change(model: Any) -> None:
        model.graph.node.add(op_type=b"Neg", input=[b"\xff"], output=[b"\xff"])

    assert refusal(edited(change)).endswith("is not UTF-8")


def test_graphs_nested_too_deeply(refusal: Refusal, edited: Edited) -> None:
    def nest(model: Any) -> None:
        graph = model.graph
        for _ in range(contract.MAX_NESTING):
            node = graph.node.add(op_type=b"If", input=[b"c"])
            graph = node.attribute.add(name=b"then_branch", type=5).g
            graph.name = b"branch"

    assert "nested too deeply" in refusal(edited(nest))


def test_subgraph_in_an_operator_without_one(refusal: Refusal, edited: Edited) -> None:
    def nest(model: Any) -> None:
        model.graph.node[0].attribute.add(name=b"body", type=5).g.name = b"hidden"

    assert "carries a subgraph" in refusal(edited(nest))


def test_too_many_nodes(refusal: Refusal, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    main = len(model_class().FromString((data / "charlm.onnx").read_bytes()).graph.node)
    monkeypatch.setattr(contract, "MAX_NODES", main + 3)  # too many only with the subgraphs
    assert "too many nodes" in refusal(data / "charlm.onnx")


@pytest.mark.parametrize("kind", [0, 9, 10, 11, 13, 99, -1])
def test_attribute_type(refusal: Refusal, edited: Edited, kind: int) -> None:
    def change(model: Any) -> None:
        with_attribute(model.graph).attribute[0].type = kind

    assert f"has type {kind}" in refusal(edited(change))


# --- names ----------------------------------------------------------------------------


def duplicate_input(graph: Any) -> None:
    graph.input.append(graph.input[0])


def duplicate_output(graph: Any) -> None:
    graph.output.append(graph.output[0])


def duplicate_initializer(graph: Any) -> None:
    graph.initializer.append(graph.initializer[0])


def initializer_named_as_an_input(graph: Any) -> None:
    graph.initializer[0].name = graph.input[0].name


def value_computed_twice(graph: Any) -> None:
    graph.node.append(graph.node[0])


def value_named_as_an_input(graph: Any) -> None:
    graph.node.add(op_type=b"Identity", input=[b"tokens"], output=[b"h0"])


def value_named_as_an_initializer(graph: Any) -> None:
    graph.node.add(op_type=b"Identity", input=[b"h0"], output=[graph.initializer[0].name])


def value_of_its_own_node(graph: Any) -> None:
    graph.node.add(op_type=b"Add", input=[b"h0", b"loop"], output=[b"loop"])


def nodes_in_reverse(graph: Any) -> None:
    nodes = [copy.deepcopy(node) for node in graph.node]
    del graph.node[:]
    graph.node.extend(reversed(nodes))


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (duplicate_input, "appears twice"),
        (duplicate_output, "appears twice"),
        (duplicate_initializer, "appears twice"),
        (initializer_named_as_an_input, "appears twice"),
        (value_computed_twice, "computed twice"),
        (value_named_as_an_input, "computed twice"),
        (value_named_as_an_initializer, "computed twice"),
        (value_of_its_own_node, "used before it is computed"),
        (nodes_in_reverse, "used before it is computed"),
    ],
)
def test_names(refusal: Refusal, edited: Edited, edit: Callable[[Any], None], said: str) -> None:
    assert said in refusal(edited(lambda it: edit(it.graph)))


@pytest.mark.parametrize("op", ["Loop", "Scan"])
@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (duplicate_input, "appears twice"),
        (value_computed_twice, "computed twice"),
        (nodes_in_reverse, "used before it is computed"),
    ],
)
def test_names_in_subgraphs(
    refusal: Refusal, edited: Edited, op: str, edit: Callable[[Any], None], said: str
) -> None:
    assert said in refusal(edited(lambda it: edit(body_of(it, op))))
