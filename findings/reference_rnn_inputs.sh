#!/usr/bin/env bash
# What:    onnx.reference.ReferenceEvaluator reads past the end of short rows: its GRU, LSTM and RNN
#          take no notice of sequence_lens. GRU and LSTM also ignore the attributes activations and
#          clip. There is no error and no warning.
# Version: onnx 1.23.2 (beside it onnxruntime 1.32.0, which does as specified)
# Guess:   The evaluator does what the operator's text says, or it raises an error for an input or
#          attribute that it does not know.
# Why:     A padded batch of texts is the usual input of a small classifier, and the reference
#          evaluator is the natural judge of its file. Here it takes the state after the padding
#          for the state of the text, so the test blames the right file; with a batch of equal
#          lengths the two agree. Test each row alone, at its own length, or with another engine.
# Output seen:
#   onnx 1.23.2, onnxruntime 1.32.0
#   guess:  in both, the last state of a short row is the one that the row alone gives
#   seen:   largest error of GRU: reference 0.90, onnxruntime 0.00; at full length 0.00 and 0.00
#   seen:   largest error of LSTM: reference 0.13, onnxruntime 0.00; at full length 0.00 and 0.00
#   seen:   largest error of RNN: reference 0.81, onnxruntime 0.00; at full length 0.00 and 0.00
#   guess:  other activations, or a clip, change the states in both
#   seen:   GRU with HardSigmoid: reference changes by 0.00, onnxruntime by 0.04
#   seen:   GRU with clip 0.1: reference changes by 0.00, onnxruntime by 0.88
#   seen:   LSTM with HardSigmoid: reference changes by 0.00, onnxruntime by 0.05
#   seen:   LSTM with clip 0.1: reference changes by 0.00, onnxruntime by 0.37
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6

venv/bin/python -I - <<'PYTHON'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, checker, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

TIME, BATCH, SIZE, HIDDEN = 5, 3, 3, 4
LENGTHS = [5, 3, 1]
GATES = {"GRU": 3, "LSTM": 4, "RNN": 1}
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(TIME, BATCH, SIZE)).astype(np.float32)
WEIGHTS = {
    kind: {
        "W": RANDOM.normal(size=(1, gates * HIDDEN, SIZE)).astype(np.float32),
        "R": RANDOM.normal(size=(1, gates * HIDDEN, HIDDEN)).astype(np.float32),
        "B": RANDOM.normal(size=(1, 2 * gates * HIDDEN)).astype(np.float32),
    }
    for kind, gates in GATES.items()
}


def model(kind: str, **attributes: object) -> onnx.ModelProto:
    """A recurrent layer with lengths; its output is the last state."""
    node = helper.make_node(
        kind, ["x", "W", "R", "B", "lengths"], ["", "last"], hidden_size=HIDDEN, **attributes
    )
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [node],
        "layer",
        [
            info("x", TensorProto.FLOAT, ["time", "batch", SIZE]),
            info("lengths", TensorProto.INT32, ["batch"]),
        ],
        [info("last", TensorProto.FLOAT, [1, "batch", HIDDEN])],
        [numpy_helper.from_array(value, name) for name, value in WEIGHTS[kind].items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    checker.check_model(made, full_check=True)
    return made


def reference(made: onnx.ModelProto, x: np.ndarray, lengths: list[int]) -> np.ndarray:
    feeds = {"x": x, "lengths": np.array(lengths, np.int32)}
    return ReferenceEvaluator(made).run(None, feeds)[0][0]


def runtime(made: onnx.ModelProto, x: np.ndarray, lengths: list[int]) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        made.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"x": x, "lengths": np.array(lengths, np.int32)})[0][0]


def largest(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max())


print(f"onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}")
print("guess:  in both, the last state of a short row is the one that the row alone gives")
for kind in GATES:
    made = model(kind)
    alone = np.concatenate(
        [runtime(made, X[:n, row : row + 1], [n]) for row, n in enumerate(LENGTHS)]
    )
    errors = [largest(run(made, X, LENGTHS), alone) for run in (reference, runtime)]
    full = [TIME] * BATCH
    whole = np.concatenate([runtime(made, X[:, row : row + 1], [TIME]) for row in range(BATCH)])
    errors += [largest(run(made, X, full), whole) for run in (reference, runtime)]
    print(
        "seen:   largest error of {}: reference {:.2f}, onnxruntime {:.2f}; "
        "at full length {:.2f} and {:.2f}".format(kind, *errors)
    )
    assert errors[0] > 0.1, "the reference evaluator changed: it reads sequence_lens"
    assert max(errors[1:]) < 1e-5, "onnxruntime changed, or the reference at full length"

print("guess:  other activations, or a clip, change the states in both")
full = [TIME] * BATCH
for kind in ("GRU", "LSTM"):
    gates = ["HardSigmoid"] + ["Tanh"] * (GATES[kind] - 2)
    for name, attributes in (("HardSigmoid", {"activations": gates}), ("clip 0.1", {"clip": 0.1})):
        ours, theirs = (
            largest(run(model(kind, **attributes), X, full), run(model(kind), X, full))
            for run in (reference, runtime)
        )
        text = f"reference changes by {ours:.2f}, onnxruntime by {theirs:.2f}"
        print(f"seen:   {kind} with {name}: {text}")
        assert ours == 0, "the reference evaluator changed: it reads the attribute"
        assert theirs > 0.01, "onnxruntime changed: it ignores the attribute"
PYTHON
