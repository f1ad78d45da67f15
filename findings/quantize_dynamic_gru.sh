#!/usr/bin/env bash
# What:    quantize_dynamic of a small character model with an embedding leaves the GRU in float,
#          and quantises the embedding table instead: to uint8 although int8 was asked for, with
#          one scale for the whole table, also with per_channel=True.
# Version: onnxruntime 1.32.0 (onnxruntime.quantization), onnx 1.23.2
# Guess:   Dynamic quantisation is for matrix products: GRU weights become int8, the table stays
#          float, and per_channel gives each row its own scale.
# Why:     Most bytes of such a model are in the GRU and stay as they are. One large row of the
#          table (here 20 times the others, and never looked up) makes the step of the scale
#          coarse for every symbol, and the logits move several times as far. Name the operators
#          in op_types_to_quantize, and compare logits before and after.
# Output seen:
#   onnx 1.23.2, onnxruntime 1.32.0
#   guess:  QInt8 makes the weights of the GRU int8; the embedding table stays float
#   seen:   GRU W FLOAT, R FLOAT; table_quantized UINT8
#   guess:  per_channel=True gives each row of the table a scale of its own
#   seen:   shape of the table's scale with per_channel=True: [[]]
#   guess:  logits move by a few hundredths, with or without the table
#   seen:   default 0.58, per_channel 0.56, only MatMul and Gemm 0.09
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6 protobuf==7.36.2

venv/bin/python -I - <<'PYTHON'
import logging

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, checker, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

SYMBOLS, WIDTH, HIDDEN = 96, 32, 64
LARGE_ROW, FACTOR = 0, 20.0


def write_model(path: str, rng: np.random.Generator) -> None:
    """Write a character model: embedding, GRU, linear output."""
    scale = HIDDEN**-0.5
    table = rng.standard_normal((SYMBOLS, WIDTH))
    table[LARGE_ROW] *= FACTOR
    weights = {
        "table": table,
        "W": rng.uniform(-scale, scale, (1, 3 * HIDDEN, WIDTH)),
        "R": rng.uniform(-scale, scale, (1, 3 * HIDDEN, HIDDEN)),
        "B": rng.uniform(-scale, scale, (1, 6 * HIDDEN)),
        "V": rng.standard_normal((HIDDEN, SYMBOLS)),
        "c": np.zeros(SYMBOLS),
    }
    initializers = [
        numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()
    ]
    initializers.append(numpy_helper.from_array(np.array([0], np.int64), "axis"))
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["table", "ids"], ["x"]),
            helper.make_node(
                "GRU",
                ["x", "W", "R", "B", "", "h"],
                ["", "h_next"],
                hidden_size=HIDDEN,
                linear_before_reset=1,
            ),
            helper.make_node("Squeeze", ["h_next", "axis"], ["top"]),
            helper.make_node("Gemm", ["top", "V", "c"], ["logits"]),
        ],
        "charmodel",
        [info("ids", TensorProto.INT64, ["time", 1]), info("h", TensorProto.FLOAT, [1, 1, HIDDEN])],
        [
            info("logits", TensorProto.FLOAT, [1, SYMBOLS]),
            info("h_next", TensorProto.FLOAT, [1, 1, HIDDEN]),
        ],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    checker.check_model(model, full_check=True)
    onnx.save(model, path)


def largest_error(path: str) -> float:
    """Return the largest distance between the logits of a file and of the float file."""
    rng = np.random.default_rng(1)
    exact, other = (
        onnxruntime.InferenceSession(name, providers=["CPUExecutionProvider"])
        for name in ("float.onnx", path)
    )
    errors = []
    for _ in range(50):
        # The large row itself is never looked up.
        ids = rng.integers(LARGE_ROW + 1, SYMBOLS, (16, 1))
        feeds = {"ids": ids, "h": np.zeros((1, 1, HIDDEN), np.float32)}
        difference = exact.run(["logits"], feeds)[0] - other.run(["logits"], feeds)[0]
        errors.append(float(np.abs(difference).max()))
    return max(errors)


logging.disable(logging.WARNING)  # the quantiser asks for a preprocessing that changes nothing here
print(f"onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}")
write_model("float.onnx", np.random.default_rng(0))
quantize_dynamic("float.onnx", "default.onnx", weight_type=QuantType.QInt8)
quantize_dynamic("float.onnx", "channel.onnx", weight_type=QuantType.QInt8, per_channel=True)
quantize_dynamic(
    "float.onnx", "gemm.onnx", weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul", "Gemm"]
)

print("guess:  QInt8 makes the weights of the GRU int8; the embedding table stays float")
types = {
    item.name: TensorProto.DataType.Name(item.data_type)
    for item in onnx.load("default.onnx").graph.initializer
}
gru = f"GRU W {types.get('W')}, R {types.get('R')}"
print(f"seen:   {gru}; table_quantized {types.get('table_quantized')}")
assert types.get("W") == types.get("R") == "FLOAT", "changed: the GRU is quantised"
assert types.get("table_quantized") == "UINT8", "changed: the table is not quantised, or to int8"

print("guess:  per_channel=True gives each row of the table a scale of its own")
scales = [
    list(item.dims)
    for item in onnx.load("channel.onnx").graph.initializer
    if item.name == "table_scale"
]
print(f"seen:   shape of the table's scale with per_channel=True: {scales}")
assert scales == [[]], "changed: the table has more than one scale"

print("guess:  logits move by a few hundredths, with or without the table")
default, channel, gemm = (largest_error(f"{name}.onnx") for name in ("default", "channel", "gemm"))
print(f"seen:   default {default:.2f}, per_channel {channel:.2f}, only MatMul and Gemm {gemm:.2f}")
assert default > 3 * gemm and channel > 3 * gemm, "changed: the table costs little"
PYTHON
