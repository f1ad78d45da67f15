#!/usr/bin/env bash
# What:    Two tools of onnx that cut and join models do not look into the bodies of Scan, Loop and
#          If for weights of the main graph. compose.add_prefix renames such a weight, but not its
#          use in the body; utils.extract_model leaves the weight out.
# Version: onnx 1.23.2
# Guess:   A prefix renames a weight everywhere; an extracted part brings the weights that it reads.
# Why:     A recurrent step written as a Scan reads its weights from the main graph, so that they
#          are in the file once. Two such models cannot be merged: without a prefix their names
#          collide, with a prefix the check reports nodes that are "not topologically sorted", which
#          they are. add_prefix alone returns the broken model without an error. Give the weights
#          unique names yourself and pass rename_initializers=False, or move them into Constant
#          nodes before. For extract_model, add the missing weights to its result by hand.
# Output seen:
#   onnx 1.23.2
#   guess:  add_prefix gives a valid model
#   seen:   weights ['a_W'], the body reads 'W'; the check: not topologically sorted
#   guess:  merge_models with prefixes joins two recurrent models
#   seen:   merge_models raises ValidationError
#   guess:  extract_model of the part up to the Scan brings W along
#   seen:   extract_model raises ValidationError; with check_model=False the part has weights []
#   cure:   rename_initializers=False: merged and checked, weights ['W', 'b_W']
#   cure:   W as a Constant node: the prefixed and the merged model are valid
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check onnx==1.23.2 numpy==2.4.6

venv/bin/python -I - <<'PYTHON'
import numpy as np
import onnx
from onnx import TensorProto, checker, compose, helper, numpy_helper, utils

WIDTH = 4
info = helper.make_tensor_value_info


def recurrent(weight: str = "W", constant: bool = False) -> onnx.ModelProto:
    """s' = tanh(s W + x) over the time, as a Scan whose body reads W; then a Relu."""
    state = ["batch", WIDTH]
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["s", weight], ["product"]),
            helper.make_node("Add", ["product", "x_t"], ["sum"]),
            helper.make_node("Tanh", ["sum"], ["s_next"]),
        ],
        "body",
        [info("s", TensorProto.FLOAT, state), info("x_t", TensorProto.FLOAT, state)],
        [info("s_next", TensorProto.FLOAT, state)],
    )
    values = numpy_helper.from_array(np.eye(WIDTH, dtype=np.float32), weight)
    nodes = [helper.make_node("Constant", [], [weight], value=values)] if constant else []
    nodes += [
        helper.make_node("Scan", ["start", "x"], ["last"], body=body, num_scan_inputs=1),
        helper.make_node("Relu", ["last"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "recurrent",
        [info("start", TensorProto.FLOAT, state), info("x", TensorProto.FLOAT, ["time", *state])],
        [info("y", TensorProto.FLOAT, state)],
        [] if constant else [values],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    checker.check_model(model, full_check=True)
    return model


def weights(model: onnx.ModelProto) -> list[str]:
    return [weight.name for weight in model.graph.initializer]


def read_in_body(model: onnx.ModelProto) -> str:
    """The name of the weight that the first Scan's body reads."""
    scan = next(node for node in model.graph.node if node.op_type == "Scan")
    body = next(each.g for each in scan.attribute if each.name == "body")
    return next(node.input[1] for node in body.node if node.op_type == "MatMul")


def extract(model: onnx.ModelProto, check: bool = True) -> onnx.ModelProto:
    onnx.save(model, "whole.onnx")
    utils.extract_model("whole.onnx", "part.onnx", ["start", "x"], ["last"], check_model=check)
    return onnx.load("part.onnx")


print(f"onnx {onnx.__version__}")
print("guess:  add_prefix gives a valid model")
prefixed = compose.add_prefix(recurrent(), "a_")
try:
    checker.check_model(prefixed, full_check=True)
except checker.ValidationError as error:
    assert "topologically sorted" in str(error), f"changed: {error}"
    names = f"weights {weights(prefixed)}, the body reads '{read_in_body(prefixed)}'"
    print(f"seen:   {names}; the check: not topologically sorted")
else:
    raise AssertionError("changed: the prefixed model is valid")

print("guess:  merge_models with prefixes joins two recurrent models")
try:
    compose.merge_models(recurrent(), recurrent(), [("y", "start")], prefix1="a_", prefix2="b_")
except checker.ValidationError as error:
    print(f"seen:   merge_models raises {type(error).__name__}")
else:
    raise AssertionError("changed: the models are merged")

print("guess:  extract_model of the part up to the Scan brings W along")
try:
    extract(recurrent())
except checker.ValidationError as error:
    left = weights(extract(recurrent(), check=False))
    raised = f"extract_model raises {type(error).__name__}"
    print(f"seen:   {raised}; with check_model=False the part has weights {left}")
    assert left == [], "changed: the part has weights"
else:
    raise AssertionError("changed: the part is valid")

second = compose.add_prefix(recurrent("b_W"), "b_", rename_initializers=False)
merged = compose.merge_models(recurrent(), second, [("y", "b_start")])
checker.check_model(merged, full_check=True)
print(f"cure:   rename_initializers=False: merged and checked, weights {weights(merged)}")

for model in (
    compose.add_prefix(recurrent(constant=True), "a_"),
    compose.merge_models(
        recurrent(constant=True),
        recurrent(constant=True),
        [("y", "start")],
        prefix1="a_",
        prefix2="b_",
    ),
):
    checker.check_model(model, full_check=True)
print("cure:   W as a Constant node: the prefixed and the merged model are valid")
PYTHON
