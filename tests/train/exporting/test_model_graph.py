"""The whole graph: its inputs and outputs in each variant, and the bytes of a file."""

from typing import Any

import onnx
import pytest

from rnn_infer import contract
from rnn_train.errors import ExportError
from rnn_train.exporting import metadata
from rnn_train.exporting.graph import FLOAT, Graph
from rnn_train.exporting.model_graph import build_graph, file_bytes
from rnn_train.exporting.variants import Variant
from tests.train.exporting.examples import (
    LABELS,
    VOCABULARY,
    char_lstm,
    classifier,
    lm_card,
)

SAMPLING = ["uniform", "temperature", "top_k", "top_p"]


def sizes(values: Any) -> dict[str, list[str | int]]:
    return {
        each.name: [dim.dim_param or dim.dim_value for dim in each.type.tensor_type.shape.dim]
        for each in values
    }


def test_interface_of_a_character_model() -> None:
    proto = build_graph(char_lstm(layers=2), 1.0, Variant()).proto()
    states = ["h0", "c0", "h1", "c1"]
    given, gives = sizes(proto.input), sizes(proto.output)
    assert list(given) == ["tokens", *states, *SAMPLING]
    assert list(gives) == ["logits", *(f"{name}_next" for name in states), "generated"]
    assert given["tokens"] == ["batch", "time"]
    assert given["uniform"] == gives["generated"] == ["batch", "steps"]
    assert gives["logits"] == ["batch", "time", len(VOCABULARY)]
    assert given["h1"] == gives["h1_next"] == ["batch", 7]


def test_step_only_has_no_sampling() -> None:
    proto = build_graph(char_lstm(), 1.0, Variant(step_only=True)).proto()
    assert list(sizes(proto.input)) == ["tokens", "h0", "c0"]
    assert list(sizes(proto.output)) == ["logits", "h0_next", "c0_next"]


def test_a_classifier_draws_nothing() -> None:
    proto = build_graph(classifier(), 1.0, Variant()).proto()
    assert sizes(proto.input) == {"tokens": ["batch", "time"], "s0": ["batch", 6]}
    assert sizes(proto.output)["logits"] == ["batch", "time", len(LABELS)]


def test_fixed_steps_have_fixed_sizes() -> None:
    proto = build_graph(char_lstm(), 1.0, Variant(steps=3)).proto()
    given, gives = sizes(proto.input), sizes(proto.output)
    assert given["tokens"] == given["uniform"] == gives["generated"] == ["batch", 3]
    assert gives["logits"] == ["batch", 3, len(VOCABULARY)]


def test_file_bytes() -> None:
    model = char_lstm()
    document = metadata.draft(model, lm_card(), "float32", draws=True)
    first, second = (file_bytes(build_graph(model, 1.0, Variant()), document) for _ in range(2))
    assert first == second
    proto = onnx.load_from_string(first)
    assert proto.opset_import[0].version == contract.OPSET
    assert proto.ir_version == contract.IR_VERSIONS.start
    stored = {each.key: each.value for each in proto.metadata_props}
    assert stored == {contract.METADATA_KEY: document.to_json()}


def test_capturable_graphs_are_checked() -> None:
    graph = Graph("unequal", capturable=True)
    parts = [graph.input(name, FLOAT, ["batch", size]) for name, size in (("x", 2), ("y", 3))]
    graph.output(graph.add("Concat", *parts, axis=1), FLOAT, ["batch", 5])
    document = metadata.draft(char_lstm(), lm_card(), "float32", draws=True)
    with pytest.raises(ExportError, match="join parts of one size only"):
        file_bytes(graph, document)
