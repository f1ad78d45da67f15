"""The ONNX messages: they parse the tiny models without loss, and keep strange fields apart."""

from pathlib import Path

import pytest
from google.protobuf.unknown_fields import UnknownFieldSet

from rnn_infer.modelfile.onnx_proto import ATTRIBUTE_FIELDS, DATA_TYPES, TEXT_FIELDS, model_class


@pytest.mark.parametrize("name", ["charlm", "charlm.step", "wide", "classifier", "gru"])
def test_file_round_trips(data: Path, name: str) -> None:
    model = model_class().FromString((data / f"{name}.onnx").read_bytes())
    assert model_class().FromString(model.SerializeToString()) == model
    assert not len(UnknownFieldSet(model))
    assert model.graph.node


def test_field_left_out_is_unknown(data: Path) -> None:
    functions = b"\xca\x01\x00"  # field 25 of ModelProto, empty
    model = model_class().FromString((data / "gru.onnx").read_bytes() + functions)
    assert len(UnknownFieldSet(model)) == 1


def test_texts_are_read_as_bytes() -> None:
    model = model_class()(producer_name=b"\xff")
    assert model_class().FromString(model.SerializeToString()).producer_name == b"\xff"
    assert "producer_name" in TEXT_FIELDS["Model"]
    assert "raw_data" not in TEXT_FIELDS["Tensor"]


def test_tables_name_fields_of_the_messages() -> None:
    graph = model_class().DESCRIPTOR.fields_by_name["graph"].message_type
    tensor = graph.fields_by_name["initializer"].message_type
    node = graph.fields_by_name["node"].message_type
    attribute = node.fields_by_name["attribute"].message_type
    assert {each.field for each in DATA_TYPES.values()} <= set(tensor.fields_by_name)
    assert set(ATTRIBUTE_FIELDS.values()) <= set(attribute.fields_by_name)
