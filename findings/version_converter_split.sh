#!/usr/bin/env bash
# What:    onnx.version_converter refuses to lower a model from opset 18 to 17 when it has a Split
#          node, although the node uses only what opset 17 has.
# Version: onnx 1.23.2 (beside it onnxruntime 1.32.0, which runs both)
# Guess:   Opset 18 only added num_outputs to Split. A node without it stays as it is.
# Why:     Split cuts the gates of a hand-written GRU or LSTM step. A model for an older runtime
#          cannot be had from the converter then. Export for the older opset in the first place,
#          or set the opset number yourself and let the checker judge.
# Output seen:
#   onnx 1.23.2, onnxruntime 1.32.0
#   guess:  the converter lowers 18 to 17 and leaves the node as it is
#   seen:   RuntimeError: No Adapter From Version $18 for Split
#   cure:   the same nodes marked as 17 are valid and give [[[0.0, 1.0]], [[2.0, 3.0]]]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6 protobuf==7.36.2

venv/bin/python -I - <<'PYTHON'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, checker, helper, numpy_helper, version_converter

info = helper.make_tensor_value_info
model = helper.make_model(
    helper.make_graph(
        # The sizes are an input: opset 13 already had this form of Split.
        [helper.make_node("Split", ["gates", "sizes"], ["reset", "update"], axis=1)],
        "gates",
        [info("gates", TensorProto.FLOAT, [1, 4])],
        [info("reset", TensorProto.FLOAT, [1, 2]), info("update", TensorProto.FLOAT, [1, 2])],
        [numpy_helper.from_array(np.array([2, 2], np.int64), "sizes")],
    ),
    opset_imports=[helper.make_opsetid("", 18)],
    ir_version=8,
)
checker.check_model(model, full_check=True)


def run(candidate: onnx.ModelProto) -> list[list[list[float]]]:
    """Return the two halves of the numbers 0 to 3."""
    session = onnxruntime.InferenceSession(
        candidate.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    gates = np.arange(4, dtype=np.float32)[None]
    return [half.tolist() for half in session.run(None, {"gates": gates})]


print(f"onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}")
print("guess:  the converter lowers 18 to 17 and leaves the node as it is")
try:
    version_converter.convert_version(model, 17)
except RuntimeError as error:
    message = str(error).split("failed: ")[-1]
    print(f"seen:   RuntimeError: {message}")
    assert message == "No Adapter From Version $18 for Split", "changed: another message"
else:
    raise AssertionError("changed: the converter lowers Split")

by_hand = onnx.ModelProto()
by_hand.CopyFrom(model)
by_hand.opset_import[0].version = 17
checker.check_model(by_hand, full_check=True)
print(f"cure:   the same nodes marked as 17 are valid and give {run(by_hand)}")
assert run(by_hand) == run(model), "changed: the two opsets differ"
PYTHON
