#!/usr/bin/env bash
# What:    Two engines read a recurrent operator without some of its attributes and inputs, and say
#          nothing. tract runs direction="reverse" forward, takes the default for activations, and
#          ignores clip and input_forget. OpenVINO ignores the peepholes P and input_forget.
# Version: tract 0.23.9, openvino 2026.4.1 (beside them onnxruntime 1.32.0)
# Guess:   An engine refuses what it does not know; what loads gives the numbers of onnxruntime.
# Why:     A reader from the end, or a network with ReLU (nn.RNN with nonlinearity="relu"), gives
#          plausible numbers of another network. Bidirectional layers are right in both, so a test
#          with one of them does not show it. Turn the time around outside a forward operator (as
#          the cure does), write other cells as a Scan, and compare with onnxruntime.
# Output seen:
#   tract 0.23.9, openvino 2026.4.1, onnxruntime 1.32.0
#   guess:  errors of about 1e-6, or an error message
#   seen:   GRU, reverse:               error of tract 1.10, openvino 0.00
#   seen:   LSTM, reverse:              error of tract 0.10, openvino 0.00
#   seen:   RNN, Relu:                  error of tract 22.48, openvino 0.00
#   seen:   LSTM, Sigmoid, Relu, Relu:  error of tract 0.50, openvino 0.00
#   seen:   GRU, clip 0.1:              error of tract 0.91, openvino 0.00
#   seen:   LSTM, input_forget:         error of tract 0.17, openvino 0.17
#   seen:   LSTM, peepholes:            error of tract 0.00, openvino 0.08
#   seen:   each wrong result is that of the operator without the attribute or input
#   seen:   GRU, bidirectional:         error of tract 0.00, openvino 0.00
#   cure:   a forward GRU on the reversed time: error of tract 0.00
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  tract==0.23.9 openvino==2026.4.1 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6

venv/bin/python -I - <<'PYTHON'
from importlib.metadata import version

import numpy as np
import onnx
import onnxruntime
import openvino
import tract
from onnx import TensorProto, checker, helper, numpy_helper

TIME, BATCH, SIZE, HIDDEN = 5, 2, 3, 4
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
X = np.random.default_rng(0).normal(size=(TIME, BATCH, SIZE)).astype(np.float32)
RELU = ["Sigmoid", "Relu", "Relu"]
CASES = {
    "GRU, reverse": ("GRU", {"direction": "reverse"}, {"tract"}),
    "LSTM, reverse": ("LSTM", {"direction": "reverse"}, {"tract"}),
    "RNN, Relu": ("RNN", {"activations": ["Relu"]}, {"tract"}),
    "LSTM, Sigmoid, Relu, Relu": ("LSTM", {"activations": RELU}, {"tract"}),
    "GRU, clip 0.1": ("GRU", {"clip": 0.1}, {"tract"}),
    "LSTM, input_forget": ("LSTM", {"input_forget": 1}, {"tract", "openvino"}),
    "LSTM, peepholes": ("LSTM", {"P": True}, {"openvino"}),
}


def model(kind: str, **attributes: object) -> onnx.ModelProto:
    """A recurrent layer; its output is the last state. P is an input, the rest are attributes."""
    rng = np.random.default_rng(1)
    peepholes = attributes.pop("P", False)
    directions = 2 if attributes.get("direction") == "bidirectional" else 1
    rows = GATES[kind] * HIDDEN
    weights = {
        "W": rng.normal(size=(directions, rows, SIZE)),
        "R": rng.normal(size=(directions, rows, HIDDEN)),
        "B": rng.normal(size=(directions, 2 * rows)),
    }
    inputs = ["x", "W", "R", "B"]
    if peepholes:
        weights["P"] = rng.normal(size=(directions, 3 * HIDDEN))
        inputs += ["", "", "", "P"]
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node(kind, inputs, ["", "last"], hidden_size=HIDDEN, **attributes)],
        "layer",
        [info("x", TensorProto.FLOAT, X.shape)],
        [info("last", TensorProto.FLOAT, [directions, BATCH, HIDDEN])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    checker.check_model(made, full_check=True)
    return made


def run_onnxruntime(made: onnx.ModelProto, x: np.ndarray = X) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        made.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"x": x})[0]


def run_tract(made: onnx.ModelProto, x: np.ndarray = X) -> np.ndarray:
    onnx.save(made, "layer.onnx")
    runnable = tract.onnx().load("layer.onnx").into_model().into_runnable()
    return runnable.run([x])[0].to_numpy()


def run_openvino(made: onnx.ModelProto) -> np.ndarray:
    core = openvino.Core()
    network = core.read_model(made.SerializeToString(), b"")
    compiled = core.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.array(compiled([X])[compiled.outputs[0]])


ENGINES = {"tract": run_tract, "openvino": run_openvino}


def errors(right: np.ndarray, made: onnx.ModelProto) -> dict[str, float]:
    return {name: float(np.abs(run(made) - right).max()) for name, run in ENGINES.items()}


def show(name: str, found: dict[str, float]) -> None:
    text = ", ".join(f"{engine} {error:.2f}" for engine, error in found.items())
    print(f"seen:   {name + ':':<27} error of {text}")


print(", ".join(f"{name} {version(name)}" for name in (*ENGINES, "onnxruntime")))
print("guess:  errors of about 1e-6, or an error message")
for name, (kind, attributes, wrong) in CASES.items():
    made = model(kind, **attributes)
    found = errors(run_onnxruntime(made), made)
    show(name, found)
    seen = {engine for engine, error in found.items() if error > 0.01}
    assert seen == wrong, f"changed: wrong are {sorted(seen)}"
    assert all(error < 1e-4 or error > 0.01 for error in found.values()), "changed: other errors"
    without = errors(run_onnxruntime(model(kind)), made)
    assert all(without[engine] < 1e-4 for engine in wrong), "changed: the attribute has an effect"
print("seen:   each wrong result is that of the operator without the attribute or input")

made = model("GRU", direction="bidirectional")
found = errors(run_onnxruntime(made), made)
show("GRU, bidirectional", found)
assert max(found.values()) < 1e-4, "changed: bidirectional layers are wrong"

right = run_onnxruntime(model("GRU", direction="reverse"))
cured = float(np.abs(run_tract(model("GRU"), np.ascontiguousarray(X[::-1])) - right).max())
print(f"cure:   a forward GRU on the reversed time: error of tract {cured:.2f}")
assert cured < 1e-4, "the cure changed"
PYTHON
