#!/usr/bin/env bash
# What:    convert_float_to_float16(keep_io_types=True) gives an invalid model when the body of a
#          Scan reads a graph input, or a value that is also a graph output. The new Cast nodes
#          are placed around the outer nodes only; the body keeps the old name.
# Version: onnxconverter-common 1.16.0, onnx 1.23.2
# Guess:   A body that reads an outer value gets the float16 copy of it, as outer nodes do.
# Why:     A recurrent step in a Scan or a Loop often reads a vector that is constant over time.
#          The conversion itself raises nothing; the error comes later, from the
#          checker. Check the converted model, convert without keep_io_types, or give the body
#          only values that are neither inputs nor outputs of the graph.
# Output seen:
#   onnx 1.23.2, onnxconverter-common 1.16.0
#   guess:  every converted model is valid
#   seen:   body reads inner, keep_io_types=False: valid
#   seen:   body reads inner, keep_io_types=True: valid
#   seen:   body reads input, keep_io_types=False: valid
#   seen:   body reads input, keep_io_types=True: (op_type:Add): B has inconsistent type tensor(float)
#   seen:   body reads output, keep_io_types=False: valid
#   seen:   body reads output, keep_io_types=True: Nodes in a graph must be topologically sorted, however input 'bias_relu'
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  onnx==1.23.2 onnxconverter-common==1.16.0 numpy==2.4.6 protobuf==7.36.2

venv/bin/python -I - <<'PYTHON'
from importlib.metadata import version

import numpy as np
import onnx
from onnx import TensorProto, checker, helper, numpy_helper
from onnxconverter_common import float16

HIDDEN = 8


def scan_model(outside: str) -> onnx.ModelProto:
    """Return a recurrent Scan whose body also reads a value of the outer graph.

    Args:
        outside: "input" (a graph input), "output" (a value that is also a graph
            output), or "inner" (neither of them).
    """
    info = helper.make_tensor_value_info
    row = [1, HIDDEN]
    name = "bias" if outside == "input" else "bias_relu"
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["h", "W"], ["a"]),
            helper.make_node("Add", ["a", "x"], ["b"]),
            helper.make_node("Add", ["b", name], ["c"]),
            helper.make_node("Tanh", ["c"], ["h_next"]),
            helper.make_node("Identity", ["h_next"], ["y"]),
        ],
        "body",
        [info("h", TensorProto.FLOAT, row), info("x", TensorProto.FLOAT, row)],
        [info("h_next", TensorProto.FLOAT, row), info("y", TensorProto.FLOAT, row)],
    )
    nodes = [helper.make_node("Relu", ["bias"], ["bias_relu"])] if outside != "input" else []
    nodes.append(
        helper.make_node("Scan", ["h0", "xs"], ["last", "ys"], body=body, num_scan_inputs=1)
    )
    outputs = [
        info("last", TensorProto.FLOAT, row),
        info("ys", TensorProto.FLOAT, ["time", *row]),
    ]
    if outside == "output":
        outputs.append(info("bias_relu", TensorProto.FLOAT, row))
    weight = np.random.default_rng(0).standard_normal((HIDDEN, HIDDEN)).astype(np.float32)
    graph = helper.make_graph(
        nodes,
        "recurrent",
        [
            info("h0", TensorProto.FLOAT, row),
            info("bias", TensorProto.FLOAT, row),
            info("xs", TensorProto.FLOAT, ["time", *row]),
        ],
        outputs,
        [numpy_helper.from_array(weight, "W")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    checker.check_model(model, full_check=True)
    return model


def verdict(outside: str, keep_io_types: bool) -> str:
    """Convert the model and return what the checker says of the result."""
    half = float16.convert_float_to_float16(scan_model(outside), keep_io_types=keep_io_types)
    try:
        checker.check_model(half, full_check=True)
    except (checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        # Keep the innermost complaint and leave out the place.
        text = " ".join(str(error).split())
        return text.split("[ShapeInferenceError] ")[-1].split(" of node")[0]
    return "valid"


print(f"onnx {onnx.__version__}, onnxconverter-common {version('onnxconverter-common')}")
print("guess:  every converted model is valid")
seen = {
    (outside, keep): verdict(outside, keep)
    for outside in ("inner", "input", "output")
    for keep in (False, True)
}
for (outside, keep), text in seen.items():
    print(f"seen:   body reads {outside}, keep_io_types={keep}: {text}")
for key, text in seen.items():
    broken = key in {("input", True), ("output", True)}
    assert (text != "valid") == broken, f"changed: {key} is now {text}"
assert "inconsistent type" in seen["input", True], "changed: another complaint"
assert "topologically sorted" in seen["output", True], "changed: another complaint"
PYTHON
