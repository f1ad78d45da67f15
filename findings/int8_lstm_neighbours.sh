#!/usr/bin/env bash
# What:    In a dynamically quantised LSTM a row depends on the other rows of its batch, and an
#          output on inputs that come later. Both torch.ao and onnxruntime (DynamicQuantizeLSTM)
#          take one scale for all inputs of a call, over rows and time.
# Version: torch 2.13.0, onnxruntime 1.32.0
# Guess:   int8 makes each output a little coarser, and that is all: a recurrent network does not
#          look at other rows or at the future, whatever its numbers are rounded to.
# Why:     A quantised model passes a test with texts of one kind. In a server, one row of large
#          values (another language, a loud sound, padding with large embeddings) then moves the
#          outputs of all others, here by fifteen times the error of the quantisation. And a stream cut
#          into other pieces gives other outputs. Give the model inputs of one range, run rows
#          alone, or quantise a MatMul row by row (MatMulNBits in onnxruntime).
# Output seen:
#   torch 2.13.0, onnxruntime 1.32.0
#   guess:  an error of the quantisation, and no other difference
#   seen:   torch.ao:    error of int8 0.009; a neighbour 20 times as large moves it by 0.154
#   seen:   torch.ao:    later inputs 20 times as large move the outputs before by 0.199
#   seen:   onnxruntime: error of int8 0.005; a neighbour 20 times as large moves it by 0.077
#   seen:   onnxruntime: later inputs 20 times as large move the outputs before by 0.114
#   seen:   float32, both: 0.000
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  torch==2.13.0 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6

venv/bin/python -I - <<'PYTHON'
import logging
import warnings
from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, checker, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

SIZE, HIDDEN, TIME, BATCH, FACTOR = 16, 32, 20, 4, 20
Run = Callable[[np.ndarray], np.ndarray]

warnings.simplefilter("ignore")  # torch.ao names its successor
logging.disable(logging.WARNING)  # the quantiser asks for a preprocessing that changes nothing here


def by_torch() -> tuple[Run, Run]:
    """An LSTM of PyTorch, in float32 and int8: inputs to outputs."""
    torch.manual_seed(0)
    exact = torch.nn.Sequential(torch.nn.LSTM(SIZE, HIDDEN)).eval()
    coarse = torch.ao.quantization.quantize_dynamic(exact, {torch.nn.LSTM}, dtype=torch.qint8)

    def run(model: torch.nn.Module, x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return model(torch.from_numpy(x))[0].numpy()

    return lambda x: run(exact, x), lambda x: run(coarse, x)


def by_onnxruntime() -> tuple[Run, Run]:
    """An LSTM of ONNX, in float32 and int8: inputs to outputs."""
    rng, scale = np.random.default_rng(0), HIDDEN**-0.5
    shapes = {"W": (1, 4 * HIDDEN, SIZE), "R": (1, 4 * HIDDEN, HIDDEN), "B": (1, 8 * HIDDEN)}
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("LSTM", ["x", *shapes], ["y"], hidden_size=HIDDEN)],
        "layer",
        [info("x", TensorProto.FLOAT, ["time", "batch", SIZE])],
        [info("y", TensorProto.FLOAT, ["time", 1, "batch", HIDDEN])],
        [
            numpy_helper.from_array(rng.uniform(-scale, scale, shape).astype(np.float32), name)
            for name, shape in shapes.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    checker.check_model(model, full_check=True)
    onnx.save(model, "float.onnx")
    quantize_dynamic("float.onnx", "int8.onnx", weight_type=QuantType.QInt8)
    exact, coarse = (
        onnxruntime.InferenceSession(f"{name}.onnx", providers=["CPUExecutionProvider"])
        for name in ("float", "int8")
    )
    return (
        lambda x: exact.run(None, {"x": x})[0][:, 0],
        lambda x: coarse.run(None, {"x": x})[0][:, 0],
    )


def largest(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max())


def moved(run: Run, x: np.ndarray) -> tuple[float, float]:
    """How far a large neighbour moves the other rows, and large later inputs the outputs before."""
    loud = x.copy()
    loud[:, -1] *= FACTOR
    beside = largest(run(loud)[:, :-1], run(x)[:, :-1])
    longer = np.concatenate([x, FACTOR * x])
    return beside, largest(run(longer)[:TIME], run(x))


print(f"torch {torch.__version__.split('+')[0]}, onnxruntime {onnxruntime.__version__}")
print("guess:  an error of the quantisation, and no other difference")
x = np.random.default_rng(1).normal(size=(TIME, BATCH, SIZE)).astype(np.float32)
exact_moves = []
for name, make in (("torch.ao:   ", by_torch), ("onnxruntime:", by_onnxruntime)):
    exact, coarse = make()
    error = largest(exact(x), coarse(x))
    beside, before = moved(coarse, x)
    by_neighbour = f"a neighbour {FACTOR} times as large moves it by {beside:.3f}"
    print(f"seen:   {name} error of int8 {error:.3f}; {by_neighbour}")
    print(
        f"seen:   {name} later inputs {FACTOR} times as large move the outputs before by {before:.3f}"
    )
    assert min(beside, before) > 3 * error, f"{name} changed: rows or times are independent"
    exact_moves += moved(exact, x)
print(f"seen:   float32, both: {max(exact_moves):.3f}")
assert max(exact_moves) < 1e-5, "float32 changed: rows or times are not independent"
PYTHON
