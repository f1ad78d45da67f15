#!/usr/bin/env bash
# What:    A row of length 0 loses its state. In the operators RNN, GRU and LSTM, onnxruntime and
#          OpenVINO return zeros as the last state of a row whose entry in sequence_lens is 0, not
#          the initial state that the row was given. onnxruntime does the same when X has no time.
# Version: onnxruntime 1.32.0, openvino 2026.4.1
# Guess:   A row that reads nothing keeps its state: Y_h is initial_h, Y_c is initial_c. (The
#          specification does not name this case.)
# Why:     A server that steps many streams in one batch gives length 0 to a stream without new
#          input. Its state silently starts anew, and no error or warning tells. Take the old state
#          where the length is 0 (Where, as in the cure below), or leave such rows out of the batch.
#          A Scan over the time does not have this fault.
# Output seen:
#   onnxruntime 1.32.0, openvino 2026.4.1
#   guess:  rows of length 3, 1 and 0: the row of length 0 keeps its state of 0.5 everywhere
#   seen:   onnxruntime RNN: Y_h of the row of length 0 is [0.0, 0.0]
#   seen:   openvino    RNN: Y_h of the row of length 0 is [0.0, 0.0]
#   seen:   onnxruntime GRU: Y_h of the row of length 0 is [0.0, 0.0]
#   seen:   openvino    GRU: Y_h of the row of length 0 is [0.0, 0.0]
#   seen:   onnxruntime LSTM: Y_h of the row of length 0 is [0.0, 0.0], Y_c [0.0, 0.0]
#   seen:   openvino    LSTM: Y_h of the row of length 0 is [0.0, 0.0], Y_c [0.0, 0.0]
#   guess:  X of shape [0, 3, 2] leaves all states as they are
#   seen:   onnxruntime RNN, GRU and LSTM: all states are zeros
#   cure:   Where(sequence_lens == 0, initial_h, Y_h): [0.5, 0.5]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  onnx==1.23.2 onnxruntime==1.32.0 openvino==2026.4.1 numpy==2.4.6

venv/bin/python -I - <<'PYTHON'
import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, checker, helper, numpy_helper

TIME, BATCH, SIZE = 3, 3, 2
LENGTHS = np.array([3, 1, 0], np.int32)
STATE = np.full((1, BATCH, SIZE), 0.5, np.float32)
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


def model(kind: str, time: int = TIME, cured: bool = False) -> onnx.ModelProto:
    """A recurrent layer with lengths and an initial state: all its states are outputs."""
    rng = np.random.default_rng(0)
    rows = GATES[kind] * SIZE
    weights = {
        "W": rng.normal(size=(1, rows, SIZE)),
        "R": rng.normal(size=(1, rows, SIZE)),
        "B": rng.normal(size=(1, 2 * rows)),
    }
    states = ["h", "c"] if kind == "LSTM" else ["h"]
    last = [f"{name}_last" for name in states]
    inputs = ["x", "W", "R", "B", "lengths", *states]
    nodes = [helper.make_node(kind, inputs, ["", *last], hidden_size=SIZE)]
    initializers = [
        numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()
    ]
    if cured:
        initializers.append(numpy_helper.from_array(np.array([0], np.int32), "zero"))
        initializers.append(numpy_helper.from_array(np.array([1, BATCH, 1]), "by_row"))
        nodes += [
            helper.make_node("Equal", ["lengths", "zero"], ["empty"]),
            helper.make_node("Reshape", ["empty", "by_row"], ["empty_rows"]),
            helper.make_node("Where", ["empty_rows", "h", "h_last"], ["kept"]),
        ]
        last = ["kept"]
    info = helper.make_tensor_value_info
    shape = [1, BATCH, SIZE]
    graph = helper.make_graph(
        nodes,
        "layer",
        [
            info("x", TensorProto.FLOAT, [time, BATCH, SIZE]),
            info("lengths", TensorProto.INT32, [BATCH]),
            *(info(name, TensorProto.FLOAT, shape) for name in states),
        ],
        [info(name, TensorProto.FLOAT, shape) for name in last],
        initializers,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    checker.check_model(made, full_check=True)
    return made


def feeds(kind: str, time: int = TIME, lengths: np.ndarray = LENGTHS) -> dict[str, np.ndarray]:
    x = np.ones((time, BATCH, SIZE), np.float32)
    states = {"h": STATE, "c": STATE} if kind == "LSTM" else {"h": STATE}
    return {"x": x, "lengths": lengths, **states}


def run_onnxruntime(made: onnx.ModelProto, given: dict[str, np.ndarray]) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(
        made.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, given)


def run_openvino(made: onnx.ModelProto, given: dict[str, np.ndarray]) -> list[np.ndarray]:
    core = openvino.Core()
    network = core.read_model(made.SerializeToString(), b"")
    compiled = core.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return list(compiled(given).values())


print(f"onnxruntime {onnxruntime.__version__}, openvino {openvino.__version__.split('-')[0]}")
print("guess:  rows of length 3, 1 and 0: the row of length 0 keeps its state of 0.5 everywhere")
for kind in GATES:
    for name, run in (("onnxruntime", run_onnxruntime), ("openvino   ", run_openvino)):
        states = [state[0] for state in run(model(kind), feeds(kind))]
        empty = [state[2].tolist() for state in states]
        names = f"{empty[0]}, Y_c {empty[1]}" if kind == "LSTM" else f"{empty[0]}"
        print(f"seen:   {name} {kind}: Y_h of the row of length 0 is {names}")
        assert all(state[:2].any() for state in states), "changed: a row with input is zero too"
        assert not np.any(empty), "changed: the row of length 0 keeps its state"

print(f"guess:  X of shape [0, {BATCH}, {SIZE}] leaves all states as they are")
nothing = np.zeros(BATCH, np.int32)
for kind in GATES:
    states = run_onnxruntime(model(kind, time=0), feeds(kind, 0, nothing))
    assert not np.any(states), "changed: an X of no time keeps the states"
print("seen:   onnxruntime RNN, GRU and LSTM: all states are zeros")

cured = run_onnxruntime(model("GRU", cured=True), feeds("GRU"))[0][0]
print(f"cure:   Where(sequence_lens == 0, initial_h, Y_h): {cured[2].tolist()}")
assert (cured[2] == STATE[0, 2]).all(), "the cure changed"
PYTHON
