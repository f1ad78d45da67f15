"""The ONNX messages, with only those fields that a model file may use.

They are in a private descriptor pool, because messages of the same name as those of the `onnx`
package would collide. Fields that are left out on purpose (functions, training graphs, sparse and
optional types) become unknown fields of a parsed message, and the checks refuse those. The field
numbers are those of onnx/onnx.proto.
"""

from functools import cache
from typing import Any, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "rnn_infer_onnx"
_Field = descriptor_pb2.FieldDescriptorProto
_TYPES = {
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
    "uint64": _Field.TYPE_UINT64,
    "float": _Field.TYPE_FLOAT,
    "double": _Field.TYPE_DOUBLE,
    "bytes": _Field.TYPE_BYTES,
    # Read as bytes. The checks decode them, so that bad UTF-8 gives an error of this package.
    "string": _Field.TYPE_BYTES,
}
# Per message: "number name type" of each field. A * at the end means repeated.
_MESSAGES: dict[str, str] = {
    "Model": """1 ir_version int64, 8 opset_import OperatorSetId*, 2 producer_name string,
        3 producer_version string, 4 domain string, 5 model_version int64, 6 doc_string string,
        7 graph Graph, 14 metadata_props StringEntry*""",
    "OperatorSetId": "1 domain string, 2 version int64",
    "StringEntry": "1 key string, 2 value string",
    "Graph": """1 node Node*, 2 name string, 5 initializer Tensor*, 10 doc_string string,
        11 input ValueInfo*, 12 output ValueInfo*, 13 value_info ValueInfo*""",
    "Node": """1 input string*, 2 output string*, 3 name string, 4 op_type string, 7 domain string,
        5 attribute Attribute*, 6 doc_string string""",
    "Attribute": """1 name string, 13 doc_string string, 20 type int32, 2 f float, 3 i int64,
        4 s bytes, 5 t Tensor, 6 g Graph, 7 floats float*, 8 ints int64*, 9 strings bytes*""",
    "Tensor": """1 dims int64*, 2 data_type int32, 4 float_data float*, 5 int32_data int32*,
        7 int64_data int64*, 8 name string, 12 doc_string string, 9 raw_data bytes,
        10 double_data double*, 11 uint64_data uint64*, 13 external_data StringEntry*,
        14 data_location int32""",
    "ValueInfo": "1 name string, 2 type Type, 3 doc_string string",
    "Type": "1 tensor_type TensorType, 6 denotation string",
    "TensorType": "1 elem_type int32, 2 shape Shape",
    "Shape": "1 dim Dimension*",
    "Dimension": "1 dim_value int64, 2 dim_param string, 3 denotation string",
}
TEXT_FIELDS: dict[str, tuple[str, ...]] = {
    message: tuple(
        name
        for _, name, kind in (entry.split() for entry in fields.split(","))
        if kind.rstrip("*") == "string"
    )
    for message, fields in _MESSAGES.items()
}
"""Per message: the fields that must be UTF-8."""


class DataType(NamedTuple):
    """An element type that a file may use."""

    name: str
    size: int
    """Bytes per element."""
    field: str
    """The repeated field for the values if `raw_data` is not used."""


# Keys: the numbers of TensorProto.DataType.
DATA_TYPES: dict[int, DataType] = {
    1: DataType("float32", 4, "float_data"),
    2: DataType("uint8", 1, "int32_data"),
    3: DataType("int8", 1, "int32_data"),
    6: DataType("int32", 4, "int32_data"),
    7: DataType("int64", 8, "int64_data"),
    9: DataType("bool", 1, "int32_data"),
    10: DataType("float16", 2, "int32_data"),
    11: DataType("float64", 8, "double_data"),
}
# Keys: the numbers of AttributeProto.AttributeType.
ATTRIBUTE_FIELDS = {
    1: "f",
    2: "i",
    3: "s",
    4: "t",
    5: "g",
    6: "floats",
    7: "ints",
    8: "strings",
}


@cache
def model_class() -> Any:
    """Return the class of the top-level message. `model_class().FromString(data)` parses a file."""
    file = descriptor_pb2.FileDescriptorProto(
        name="rnn_infer/onnx.proto", package=_PACKAGE, syntax="proto2"
    )
    for message_name, fields in _MESSAGES.items():
        message = file.message_type.add(name=message_name)
        for entry in fields.split(","):
            number, name, kind = entry.split()
            repeated = kind.endswith("*")
            kind = kind.rstrip("*")
            field = message.field.add(
                name=name,
                number=int(number),
                label=_Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL,
                type=_TYPES.get(kind, _Field.TYPE_MESSAGE),
            )
            if kind not in _TYPES:
                field.type_name = f".{_PACKAGE}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Model"))
