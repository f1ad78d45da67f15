#!/usr/bin/env bash
# What:    onnxsim.simplify adds about twenty keys that begin with "onnxsim." to metadata_props of
#          the model, also when it leaves the operators as they are.
# Version: onnxsim 0.8.1, onnx 1.23.2
# Guess:   A step that has nothing to simplify comes back with its own metadata and nothing else.
# Why:     A recurrent model carries its alphabet or labels in metadata_props. A reader that
#          accepts only keys it knows refuses the simplified file. A step of a few hundred bytes
#          grows to several times its size. Remove the keys, or ignore unknown ones.
# Output seen:
#   onnx 1.23.2, onnxsim 0.8.1
#   guess:  a step that is already simple comes back with its metadata unchanged
#   seen:   nodes ['Gemm', 'Tanh'], alphabet 'abc', result equal: True
#   seen:   19 new metadata keys, for example onnxsim.assigned_node_names, onnxsim.assigned_node_names.count, onnxsim.changed_nodes
#   seen:   238 bytes before, 919 bytes after
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  onnx==1.23.2 onnxsim==0.8.1 numpy==2.4.6 protobuf==7.36.2

venv/bin/python -I - <<'PYTHON'
from importlib.metadata import version

import numpy as np
import onnx
import onnxsim
from onnx import TensorProto, checker, helper, numpy_helper

HIDDEN = 4
info = helper.make_tensor_value_info
row = [1, HIDDEN]
weight = np.random.default_rng(0).standard_normal((HIDDEN, HIDDEN)).astype(np.float32)
model = helper.make_model(
    helper.make_graph(
        [
            helper.make_node("Gemm", ["h", "W", "x"], ["a"], name="recurrence"),
            helper.make_node("Tanh", ["a"], ["h_next"], name="squash"),
        ],
        "step",
        [info("h", TensorProto.FLOAT, row), info("x", TensorProto.FLOAT, row)],
        [info("h_next", TensorProto.FLOAT, row)],
        [numpy_helper.from_array(weight, "W")],
    ),
    opset_imports=[helper.make_opsetid("", 18)],
    ir_version=10,
)
helper.set_model_props(model, {"alphabet": "abc"})
checker.check_model(model, full_check=True)

simplified, same = onnxsim.simplify(model)
checker.check_model(simplified, full_check=True)
props = {item.key: item.value for item in simplified.metadata_props}
added = sorted(key for key in props if key.startswith("onnxsim."))

print(f"onnx {onnx.__version__}, onnxsim {version('onnxsim')}")
print("guess:  a step that is already simple comes back with its metadata unchanged")
operators = [node.op_type for node in simplified.graph.node]
print(f"seen:   nodes {operators}, alphabet {props.get('alphabet')!r}, result equal: {same}")
print(f"seen:   {len(added)} new metadata keys, for example {', '.join(added[:3])}")
print(f"seen:   {model.ByteSize()} bytes before, {simplified.ByteSize()} bytes after")
assert operators == ["Gemm", "Tanh"], "changed: the nodes"
assert props.get("alphabet") == "abc", "changed: the own key is lost"
assert set(props) == {"alphabet", *added}, "changed: other keys"
assert len(added) > 5, "changed: the keys are not added"
assert simplified.ByteSize() > 2 * model.ByteSize(), "changed: the file does not grow"
PYTHON
