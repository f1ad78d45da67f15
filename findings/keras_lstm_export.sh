#!/usr/bin/env bash
# What:    model.export(format="onnx") of Keras on PyTorch writes an LSTM or GRU of variable time
#          that reads only the first step. The file declares a symbolic time, takes sequences of
#          every length, and ignores all but their first step. A stateful LSTM is written with the
#          state that it has at that moment as constants: no input, no output, and two calls are
#          alike.
# Version: keras 3.15.1 (backend torch 2.13.0), onnxruntime 1.32.0
# Guess:   The file reads all steps, as the model does, or the export is refused. A stateful layer
#          begins at zeros, or gets its state as input and output.
# Why:     Both files load and run without an error; only the numbers are wrong. The export prints
#          warnings of the tracer, which say of lines inside Keras that the trace might be incorrect,
#          and ends with "Saved artifact". Compare the file with the model at two lengths, and after
#          a second call. A fixed time works: the steps are unrolled.
# Note:    On Linux the default torch package brings large GPU libraries. The output below is from
#          a CPU build of this release.
# Output seen:
#   keras 3.15.1, torch 2.13.0, onnxruntime 1.32.0
#   guess:  the file gives the model's numbers for 7 steps
#   seen:   LSTM declares ['batch', 'dim_0_1', 3]; file = model of 7 steps: False, of the first step: True
#   seen:   GRU declares ['batch', 'dim_0_1', 3]; file = model of 7 steps: False, of the first step: True
#   guess:  a stateful LSTM begins at zeros, or has state inputs; a second call goes on
#   seen:   1 input, 1 output; begins at zeros: False; second call = first call: True
#   beside: fixed time of 7, not stateful: file = model of 7 steps: True
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  keras==3.15.1 torch==2.13.0 onnx==1.23.2 onnxscript==0.7.2 onnxruntime==1.32.0 numpy==2.4.6

# The export prints many warnings of the tracer; they are shown if something fails.
KERAS_BACKEND=torch venv/bin/python -I - 2>stderr.log <<'PYTHON' || { cat stderr.log >&2; exit 1; }
import contextlib
import io

import keras
import numpy as np
import onnxruntime
import torch

WIDTH, UNITS, TIME = 3, 4, 7


def exported(model: keras.Model) -> onnxruntime.InferenceSession:
    """Export a model and open the file."""
    with contextlib.redirect_stdout(io.StringIO()):
        model.export("model.onnx", format="onnx")
    return onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])


def run(session: onnxruntime.InferenceSession, x: np.ndarray) -> np.ndarray:
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.allclose(a, b, atol=1e-5))


release = torch.__version__.split("+")[0]
print(f"keras {keras.__version__}, torch {release}, onnxruntime {onnxruntime.__version__}")
keras.utils.set_random_seed(0)
x = np.random.default_rng(0).standard_normal((1, TIME, WIDTH)).astype(np.float32)

print(f"guess:  the file gives the model's numbers for {TIME} steps")
for layer in (keras.layers.LSTM, keras.layers.GRU):
    model = keras.Sequential([keras.layers.Input((None, WIDTH)), layer(UNITS)])
    whole, first = model.predict(x, verbose=0), model.predict(x[:, :1], verbose=0)
    session = exported(model)
    found, shape = run(session, x), session.get_inputs()[0].shape
    print(
        f"seen:   {layer.__name__} declares {shape}; file = model of {TIME} steps: "
        f"{same(found, whole)}, of the first step: {same(found, first)}"
    )
    assert isinstance(shape[1], str), "changed: the time is declared as fixed"
    assert not same(found, whole), "changed: the file reads all steps"
    assert same(found, first), "changed: the file does not read the first step alone"

print("guess:  a stateful LSTM begins at zeros, or has state inputs; a second call goes on")
lstm = keras.layers.LSTM(UNITS, stateful=True)
model = keras.Sequential([keras.layers.Input((TIME, WIDTH), batch_size=1), lstm])
from_zeros = model.predict(x, verbose=0)
goes_on = model.predict(x, verbose=0)
assert not same(from_zeros, goes_on), "the model itself is not stateful"
lstm.reset_states()
session = exported(model)
inputs, outputs = len(session.get_inputs()), len(session.get_outputs())
once, again = run(session, x), run(session, x)
print(
    f"seen:   {inputs} input, {outputs} output; begins at zeros: {same(once, from_zeros)}; "
    f"second call = first call: {same(once, again)}"
)
assert (inputs, outputs) == (1, 1), "changed: there are inputs or outputs of the state"
assert not same(once, from_zeros), "changed: the file begins at zeros"
assert same(once, again), "changed: the file goes on"

model = keras.Sequential([keras.layers.Input((TIME, WIDTH)), keras.layers.LSTM(UNITS)])
whole = model.predict(x, verbose=0)
fixed = same(run(exported(model), x), whole)
print(f"beside: fixed time of {TIME}, not stateful: file = model of {TIME} steps: {fixed}")
assert fixed, "changed: the file of a fixed time"
PYTHON
