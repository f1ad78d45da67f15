#!/usr/bin/env bash
# What:    With IOBinding, an output that is bound by its device name keeps the memory of the first
#          run. The second run writes into it: a state kept from the first run changes, another
#          batch size is an error, and a step that is fed its own output reads and writes one buffer.
# Version: onnxruntime 1.32.0
# Guess:   bind_output(name, "cpu") asks for a new tensor at each run, as run() gives one. It is the
#          documented way for outputs whose shape is not known before the run.
# Why:     This is the short way to step a recurrent file: bind once, then hand the new state to the
#          next run. Saved states (an undo, a fork of a stream, a beam) silently become the newest
#          one. Where a node still reads the old state after the new one is written, the results are
#          wrong, without an error; other graphs go right by luck. Call bind_output again before
#          each run, or bind two sets of buffers in turn.
# Output seen:
#   onnxruntime 1.32.0
#   guess:  the state kept from step 1 stays [2.0] while later steps run
#   seen:   kept state: [2.0] after step 1, [4.0] after step 2
#   guess:  the next run may have another batch size, as with run()
#   seen:   a run with two rows raises RuntimeError
#   guess:  five steps, each fed with the output of the last: the same numbers as with run()
#   seen:   largest error of the new state 0.00, of its change (new - old) 9.07
#   cure:   bind_output again before each run: kept state [2.0], errors 0.00 and 0.00
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6

venv/bin/python -I - <<'PYTHON'
import numpy as np
import onnxruntime
from onnx import TensorProto, checker, helper, numpy_helper

STEPS = 5


def session(weight: np.ndarray, *nodes_after: tuple[str, list[str], str]) -> object:
    """A step h_next = h W, and what is computed from it."""
    nodes = [helper.make_node("MatMul", ["h", "W"], ["h_next"])]
    nodes += [helper.make_node(kind, inputs, [output]) for kind, inputs, output in nodes_after]
    info = helper.make_tensor_value_info
    shape = ["batch", len(weight)]
    graph = helper.make_graph(
        nodes,
        "step",
        [info("h", TensorProto.FLOAT, shape)],
        [info(node.output[0], TensorProto.FLOAT, shape) for node in nodes],
        [numpy_helper.from_array(weight.astype(np.float32), "W")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


class Stepper:
    """Runs a session by IOBinding; `again` binds the outputs before each run."""

    def __init__(self, made: object, again: bool) -> None:
        self.session = made
        self.again = again
        self.binding = made.io_binding()
        self._bind()

    def _bind(self) -> None:
        for output in self.session.get_outputs():
            self.binding.bind_output(output.name, "cpu")

    def run(self, state: object) -> list[object]:
        self.binding.bind_ortvalue_input("h", state)
        if self.again:
            self._bind()
        self.session.run_with_iobinding(self.binding)
        return self.binding.get_outputs()


def value(array: np.ndarray) -> object:
    return onnxruntime.OrtValue.ortvalue_from_numpy(array.astype(np.float32))


def kept_state(again: bool) -> list[list[float]]:
    """The state of step 1, read after step 1 and after step 2."""
    stepper = Stepper(session(np.full((1, 1), 2.0)), again)
    first = stepper.run(value(np.ones((1, 1))))[0]
    seen = [first.numpy()[0].tolist()]
    stepper.run(value(np.full((1, 1), 2.0)))
    return [*seen, first.numpy()[0].tolist()]


def errors(again: bool) -> list[float]:
    """The largest errors of the state and of its change over all steps, against run()."""
    weight = np.random.default_rng(0).normal(0, 0.6, (8, 8))
    made = session(weight, ("Sub", ["h_next", "h"], "change"))
    start = np.ones((3, 8), np.float32)
    stepper, state, bound = Stepper(made, again), start, value(start.copy())
    largest = np.zeros(2)
    for _ in range(STEPS):
        right = made.run(None, {"h": state})
        got = stepper.run(bound)
        state, bound = right[0], got[0]
        differences = [np.abs(a - b.numpy()).max() for a, b in zip(right, got, strict=True)]
        largest = np.maximum(largest, differences)
    return largest.tolist()


print(f"onnxruntime {onnxruntime.__version__}")
print("guess:  the state kept from step 1 stays [2.0] while later steps run")
before, after = kept_state(again=False)
print(f"seen:   kept state: {before} after step 1, {after} after step 2")
assert (before, after) == ([2.0], [4.0]), "changed: the second run has memory of its own"

print("guess:  the next run may have another batch size, as with run()")
made = session(np.full((1, 1), 2.0))
made.run(None, {"h": np.ones((2, 1), np.float32)})
stepper = Stepper(made, again=False)
stepper.run(value(np.ones((1, 1))))
try:
    stepper.run(value(np.ones((2, 1))))
except Exception as error:
    print(f"seen:   a run with two rows raises {type(error).__name__}")
else:
    raise AssertionError("changed: another batch size is accepted")

print("guess:  five steps, each fed with the output of the last: the same numbers as with run()")
state, change = errors(again=False)
print(f"seen:   largest error of the new state {state:.2f}, of its change (new - old) {change:.2f}")
assert change > 0.1, "changed: the step does not read its own output buffer"

_, kept = kept_state(again=True)
state, change = errors(again=True)
cure = f"kept state {kept}, errors {state:.2f} and {change:.2f}"
print(f"cure:   bind_output again before each run: {cure}")
assert kept == [2.0] and state == change == 0, "the cure changed"
PYTHON
