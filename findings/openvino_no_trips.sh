#!/usr/bin/env bash
# What:    In OpenVINO a Loop that makes no trip returns the scan rows of the request's last call
#          that made some. A Scan over no time returns the last state of the call before, not the
#          initial state.
# Version: openvino 2026.4.1 (beside it onnx 1.23.2, ReferenceEvaluator)
# Guess:   No trips: the scan output has 0 rows, and the state is the initial state.
# Why:     "Generate 0 characters" or an empty text is a common edge of a recurrent file, and a test
#          that begins with it passes: the fault needs an earlier call. Ask for at least one trip
#          and throw the row away, or answer such calls without the model.
# Output seen:
#   openvino 2026.4.1
#   guess:  a Loop of 0 trips gives rows of shape [0, 1]
#   seen:   first call, 0 trips: rows []
#   seen:   2 trips from 10: rows [11.0, 12.0], state 12.0
#   seen:   0 trips from 70: rows [11.0, 12.0], state 70.0
#   guess:  a Scan over no time leaves the state 70
#   seen:   after a call that ended in 12.0: rows [11.0, 12.0], state 12.0
#   cure:   1 trip from 70, its row thrown away: rows [71.0]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  onnx==1.23.2 openvino==2026.4.1 numpy==2.4.6

venv/bin/python -I - <<'PYTHON'
import numpy as np
import onnx
import openvino
from onnx import TensorProto, checker, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
info, node = helper.make_tensor_value_info, helper.make_node


def finish(nodes: list, inputs: list, weights: dict[str, np.ndarray]) -> onnx.ModelProto:
    outputs = [info("last", FLOAT, [1]), info("rows", FLOAT, ["time", 1])]
    initializers = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "counter", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    checker.check_model(model, full_check=True)
    return model


def loop() -> onnx.ModelProto:
    """Adds 1 to the state in each trip, and keeps each state as a row."""
    body = helper.make_graph(
        [
            node("Add", ["state", "one"], ["state_next"]),
            node("Identity", ["state_next"], ["row"]),
            node("Identity", ["go"], ["go_on"]),
        ],
        "body",
        [info("trip", INT64, []), info("go", BOOL, []), info("state", FLOAT, [1])],
        [info("go_on", BOOL, []), info("state_next", FLOAT, [1]), info("row", FLOAT, [1])],
    )
    weights = {"one": np.ones(1, np.float32), "yes": np.array(True)}
    nodes = [node("Loop", ["trips", "yes", "start"], ["last", "rows"], body=body)]
    return finish(nodes, [info("trips", INT64, []), info("start", FLOAT, [1])], weights)


def scan() -> onnx.ModelProto:
    """Adds each row of x to the state, and keeps each state as a row."""
    body = helper.make_graph(
        [
            node("Add", ["state", "x_t"], ["state_next"]),
            node("Identity", ["state_next"], ["row"]),
        ],
        "body",
        [info("state", FLOAT, [1]), info("x_t", FLOAT, [1])],
        [info("state_next", FLOAT, [1]), info("row", FLOAT, [1])],
    )
    nodes = [node("Scan", ["start", "x"], ["last", "rows"], body=body, num_scan_inputs=1)]
    return finish(nodes, [info("start", FLOAT, [1]), info("x", FLOAT, ["time", 1])], {})


def compiled(model: onnx.ModelProto) -> openvino.CompiledModel:
    core = openvino.Core()
    network = core.read_model(model.SerializeToString(), b"")
    hints = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": 1}
    return core.compile_model(network, "CPU", hints)


def call(request: openvino.InferRequest, **given: object) -> tuple[list[float], float]:
    """The rows and the last state."""
    feeds = {
        name: np.array(value, np.int64 if name == "trips" else np.float32)
        for name, value in given.items()
    }
    last, rows = request.infer(feeds).values()
    return np.array(rows).ravel().tolist(), float(np.array(last)[0])


print(f"openvino {openvino.__version__.split('-')[0]}")
print("guess:  a Loop of 0 trips gives rows of shape [0, 1]")
feeds = {"trips": np.array(2), "start": np.array([10], np.float32)}
right = [each.ravel().tolist() for each in ReferenceEvaluator(loop()).run(None, feeds)]
assert right == [[12.0], [11.0, 12.0]], "the reference evaluator changed"
made = compiled(loop())
request = made.create_infer_request()
rows, _ = call(request, trips=0, start=[70])
print(f"seen:   first call, 0 trips: rows {rows}")
assert rows == [], "changed: the first call has rows"
rows, last = call(request, trips=2, start=[10])
print(f"seen:   2 trips from 10: rows {rows}, state {last}")
assert (rows, last) == ([11.0, 12.0], 12.0), "changed: two trips go wrong"
rows, last = call(request, trips=0, start=[70])
print(f"seen:   0 trips from 70: rows {rows}, state {last}")
assert (rows, last) == ([11.0, 12.0], 70.0), "changed: no trips give other rows"

print("guess:  a Scan over no time leaves the state 70")
request = compiled(scan()).create_infer_request()
_, before = call(request, start=[10], x=[[1], [1]])
rows, last = call(request, start=[70], x=np.zeros((0, 1)))
print(f"seen:   after a call that ended in {before}: rows {rows}, state {last}")
assert (rows, last) == ([11.0, 12.0], 12.0), "changed: no time gives other results"

request = made.create_infer_request()
rows, _ = call(request, trips=1, start=[70])
print(f"cure:   1 trip from 70, its row thrown away: rows {rows}")
assert rows == [71.0], "the cure changed"
PYTHON
