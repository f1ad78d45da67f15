#!/usr/bin/env bash
# What:    onnx.reference.ReferenceEvaluator makes no trip in a Loop whose condition input is
#          left out, and it stacks scan outputs of rank 0 with one dimension too many.
# Version: onnx 1.23.2 (beside it onnxruntime 1.32.0, which does both as specified)
# Guess:   The specification of Loop says that a Loop with a trip count and no condition is a
#          plain counted loop, so 3 trips are made and 3 scalars become a row of 3.
# Why:     A counted Loop is how a recurrent step is repeated inside one file. The reference
#          evaluator is the natural judge of such a file; here it returns the start state without
#          an error, so a test against it blames the right file. Give each Loop a constant true
#          condition, and keep scan outputs at rank 1 or more.
# Output seen:
#   onnx 1.23.2, onnxruntime 1.32.0
#   guess:  a Loop of 3 trips without a condition counts 0 -> 3 in both
#   seen:   reference [0.0], onnxruntime [3.0]
#   cure:   with a constant true condition: reference [3.0]
#   guess:  3 scan rows of shape [] are stacked to shape [3] in both
#   seen:   reference [3, 1], onnxruntime [3]
#   guess:  without a condition, a Loop with a scan output gives 3 rows
#   seen:   reference raises ValueError: need at least one array to concatenate
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
from onnx import TensorProto, checker, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

TRIPS = 3


def counting_loop(condition: bool, scan_output: bool, shape: list[int]) -> onnx.ModelProto:
    """Return a model whose Loop adds 1 to its state in each trip."""
    info = helper.make_tensor_value_info
    body_nodes = [
        helper.make_node("Identity", ["go"], ["go_next"]),
        helper.make_node("Add", ["state", "one"], ["state_next"]),
    ]
    body_outputs = [
        info("go_next", TensorProto.BOOL, []),
        info("state_next", TensorProto.FLOAT, shape),
    ]
    names = ["final"]
    outputs = [info("final", TensorProto.FLOAT, shape)]
    if scan_output:
        body_nodes.append(helper.make_node("Identity", ["state_next"], ["row"]))
        body_outputs.append(info("row", TensorProto.FLOAT, shape))
        names.append("rows")
        outputs.append(info("rows", TensorProto.FLOAT, [None, *shape]))
    body = helper.make_graph(
        body_nodes,
        "body",
        [
            info("trip", TensorProto.INT64, []),
            info("go", TensorProto.BOOL, []),
            info("state", TensorProto.FLOAT, shape),
        ],
        body_outputs,
    )
    initializers = [numpy_helper.from_array(np.array(1, np.float32), "one")]
    if condition:
        initializers.append(numpy_helper.from_array(np.array(True), "yes"))
    loop = helper.make_node(
        "Loop", ["trips", "yes" if condition else "", "start"], names, body=body
    )
    graph = helper.make_graph(
        [loop],
        "counting",
        [info("trips", TensorProto.INT64, []), info("start", TensorProto.FLOAT, shape)],
        outputs,
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    checker.check_model(model, full_check=True)
    return model


def run_both(model: onnx.ModelProto, shape: list[int]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the outputs of the reference evaluator and of onnxruntime."""
    feeds = {"trips": np.array(TRIPS, np.int64), "start": np.zeros(shape, np.float32)}
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    reference = ReferenceEvaluator(model).run(None, feeds)
    return [np.asarray(value) for value in reference], session.run(None, feeds)


print(f"onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}")

print("guess:  a Loop of 3 trips without a condition counts 0 -> 3 in both")
reference, runtime = run_both(counting_loop(False, False, [1]), [1])
print(f"seen:   reference {reference[0].tolist()}, onnxruntime {runtime[0].tolist()}")
assert runtime[0].tolist() == [3.0], "onnxruntime changed"
assert reference[0].tolist() == [0.0], "the reference evaluator changed: it makes the trips"

reference, runtime = run_both(counting_loop(True, False, [1]), [1])
print(f"cure:   with a constant true condition: reference {reference[0].tolist()}")
assert reference[0].tolist() == runtime[0].tolist() == [3.0], "the cure changed"

print("guess:  3 scan rows of shape [] are stacked to shape [3] in both")
reference, runtime = run_both(counting_loop(True, True, []), [])
print(f"seen:   reference {list(reference[1].shape)}, onnxruntime {list(runtime[1].shape)}")
assert runtime[1].shape == (3,), "onnxruntime changed"
assert reference[1].shape == (3, 1), "the reference evaluator changed: it stacks scalars"

print("guess:  without a condition, a Loop with a scan output gives 3 rows")
try:
    run_both(counting_loop(False, True, [1]), [1])
except ValueError as error:
    print(f"seen:   reference raises ValueError: {error}")
else:
    raise AssertionError("the reference evaluator changed: it makes the trips")
PYTHON
