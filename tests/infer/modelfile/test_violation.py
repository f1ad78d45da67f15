"""Violations: unknown fields, and texts that are not UTF-8."""

import pytest

from rnn_infer.modelfile.onnx_proto import model_class
from rnn_infer.modelfile.violation import (
    ViolationError,
    check_fields,
    damaged,
    foreign,
    plain_text,
)


def test_messages_say_what_kind_of_file_it_is() -> None:
    assert str(damaged("it ends early")) == "damaged or not an ONNX file: it ends early"
    assert str(foreign("it has no labels")) == "not a model made by rnn-train: it has no labels"


def test_plain_text() -> None:
    assert plain_text("é中".encode(), "a name") == "é中"
    with pytest.raises(ViolationError, match="a name is not UTF-8"):
        plain_text(b"\xff", "a name")


def test_known_fields_pass() -> None:
    check_fields(model_class()(ir_version=8, producer_name=b"me"), "the model")


def test_unknown_field() -> None:
    model = model_class().FromString(b"\xca\x01\x00")
    with pytest.raises(ViolationError, match="the model has fields that the format does not know"):
        check_fields(model, "the model")


def test_text_that_is_not_utf_8() -> None:
    with pytest.raises(ViolationError, match="producer_name of the model is not UTF-8"):
        check_fields(model_class()(producer_name=b"\xff"), "the model")


def test_repeated_text_that_is_not_utf_8() -> None:
    model = model_class()()
    node = model.graph.node.add(input=[b"x", b"\xff"])
    with pytest.raises(ViolationError, match="input of a node is not UTF-8"):
        check_fields(node, "a node")
