#!/usr/bin/env bash
# What:    torch.onnx.export(dynamo=True) of an LSTM with a dynamic time dimension declares the time
#          of the output as the fixed number of the example. The file computes the right thing for
#          every length, and onnxruntime logs a warning in each run with another length.
# Version: torch 2.13.0, onnxscript 0.7.2, onnx 1.23.2, onnxruntime 1.32.0
# Guess:   The output has the symbolic time of the input, and no run warns.
# Why:     A step of one symbol is the most common call of a streaming model, so each character
#          writes one line to the log. Code that reserves memory from the declared shape reserves
#          the wrong size. Set dim_param of the output in the file after the export.
# Note:    On Linux the default torch package brings large GPU libraries. The output below is from
#          a CPU build of this release.
# Output seen:
#   torch 2.13.0, onnx 1.23.2, onnxruntime 1.32.0
#   guess:  x and y are both declared [1, 'time', ...]
#   seen:   x [1, 'time', 4], y [1, 5, 8]
#   guess:  no run warns
#   seen:   time -> warning: [(5, False), (1, True), (9, True), (9, True)]
#   cure:   after a rename of the dimension in the file: [False, False]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  torch==2.13.0 onnx==1.23.2 onnxscript==0.7.2 onnxruntime==1.32.0 numpy==2.4.6 protobuf==7.36.2

# The log of the exporter is long; the warnings of the runtime are counted in it.
venv/bin/python -I - 2>stderr.log <<'PYTHON' || { cat stderr.log >&2; exit 1; }
import sys

import numpy as np
import onnx
import onnxruntime
import torch

WIDTH, HIDDEN, EXAMPLE_TIME = 4, 8, 5


class Tagger(torch.nn.Module):
    """One LSTM over a batch-first sequence, with its state as input and output."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(WIDTH, HIDDEN, batch_first=True)

    def forward(
        self, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        y, (h_next, c_next) = self.lstm(x, (h, c))
        return y, h_next, c_next


def shape_of(value: onnx.ValueInfoProto) -> list[int | str]:
    """Return the declared shape of a graph input or output."""
    return [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]


def warned(times: list[int]) -> list[bool]:
    """Run one sequence of each length and return which runs warned."""
    session = onnxruntime.InferenceSession("lstm.onnx", providers=["CPUExecutionProvider"])
    state = np.zeros((1, 1, HIDDEN), np.float32)
    result = []
    for time in times:
        sys.stderr.flush()
        before = open("stderr.log").read().count("VerifyOutputSizes")
        x = np.random.default_rng(time).standard_normal((1, time, WIDTH)).astype(np.float32)
        y = session.run(["y"], {"x": x, "h": state, "c": state})[0]
        exact = tagger(*map(torch.from_numpy, (x, state, state)))[0].detach().numpy()
        assert y.shape == exact.shape and np.allclose(y, exact, atol=1e-5), "changed: the numbers"
        result.append(open("stderr.log").read().count("VerifyOutputSizes") > before)
    return result


torch.manual_seed(0)
tagger = Tagger().eval()
state = torch.zeros(1, 1, HIDDEN)
torch.onnx.export(
    tagger,
    (torch.zeros(1, EXAMPLE_TIME, WIDTH), state, state),
    "lstm.onnx",
    dynamo=True,
    input_names=["x", "h", "c"],
    output_names=["y", "h_next", "c_next"],
    dynamic_shapes={"x": {1: torch.export.Dim("time")}, "h": None, "c": None},
    verbose=False,
)
model = onnx.load("lstm.onnx")
x, y = shape_of(model.graph.input[0]), shape_of(model.graph.output[0])

release = torch.__version__.split("+")[0]
print(f"torch {release}, onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}")
print("guess:  x and y are both declared [1, 'time', ...]")
print(f"seen:   x {x}, y {y}")
assert x == [1, "time", WIDTH], "changed: the input"
assert y == [1, EXAMPLE_TIME, HIDDEN], "changed: the time of the output is dynamic"

print("guess:  no run warns")
times = [EXAMPLE_TIME, 1, 9, 9]
seen = warned(times)
print(f"seen:   time -> warning: {list(zip(times, seen))}")
assert seen == [False, True, True, True], "changed: other runs warn"

size = model.graph.output[0].type.tensor_type.shape.dim[1]
size.dim_param = "time"
onnx.save(model, "lstm.onnx")
print(f"cure:   after a rename of the dimension in the file: {warned([1, 9])}")
assert warned([1, 9]) == [False, False], "changed: the cure"
PYTHON
