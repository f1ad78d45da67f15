#!/usr/bin/env bash
# What:    A weight of the main graph is prepacked inside a Scan, but not inside a Scan that stands in
#          a branch of an If. A product of one row then differs in its last bits from the same row of
#          a batch.
# Version: onnxruntime 1.32.0
# Guess:   The same nodes on the same weight give the same bits, however deep the subgraph is.
# Why:     Whoever moves a recurrent step into a branch loses equal bits of batches, without an error
#          or a warning. Keep the Scan in the main graph, and put only what follows it into the If.
# Output seen:
#   onnxruntime 1.32.0
#   guess:  largest difference of rows alone and in a batch: 0 and 0
#   seen:   Scan in the main graph: 0.0
#   seen:   Scan in a branch of an If: 7.2e-07
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6

venv/bin/python -I - <<'PYTHON'
import numpy as np
import onnxruntime
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

WIDTH, TIME, BATCH = 64, 5, 9
FLOAT, BOOL = TensorProto.FLOAT, TensorProto.BOOL
value = helper.make_tensor_value_info


def scan(name: str) -> NodeProto:
    """s' = tanh(U s + x), at all times."""
    nodes = [
        helper.make_node("Gemm", [f"s_{name}", "U", f"x_{name}"], [f"sum_{name}"]),
        helper.make_node("Tanh", [f"sum_{name}"], [f"after_{name}"]),
    ]
    inputs = [value(f"{each}_{name}", FLOAT, ["batch", WIDTH]) for each in "sx"]
    outputs = [value(f"after_{name}", FLOAT, ["batch", WIDTH])]
    body = helper.make_graph(nodes, f"body_{name}", inputs, outputs)
    return helper.make_node("Scan", ["s", "x"], [f"last_{name}"], body=body, num_scan_inputs=1)


def branch(name: str) -> GraphProto:
    return helper.make_graph(
        [scan(name)], f"branch_{name}", [], [value(f"last_{name}", FLOAT, ["batch", WIDTH])]
    )


def difference(node: NodeProto, random: np.random.Generator) -> float:
    """The largest difference between rows alone and in a batch."""
    weight = numpy_helper.from_array(random.normal(0, 0.2, (WIDTH, WIDTH)).astype("f"), "U")
    inputs = [
        value("s", FLOAT, ["batch", WIDTH]),
        value("x", FLOAT, ["time", "batch", WIDTH]),
        value("chosen", BOOL, []),
    ]
    outputs = [value(node.output[0], FLOAT, ["batch", WIDTH])]
    graph = helper.make_graph([node], "g", inputs, outputs, [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    x = random.normal(size=(TIME, BATCH, WIDTH)).astype("f")

    def last(rows: slice) -> np.ndarray:
        begin = np.zeros((len(range(BATCH)[rows]), WIDTH), "f")
        return session.run(None, {"s": begin, "x": x[:, rows], "chosen": np.array(True)})[0]

    alone = np.concatenate([last(slice(row, row + 1)) for row in range(BATCH)])
    return float(np.abs(last(slice(None)) - alone).max())


print(f"onnxruntime {onnxruntime.__version__}")
print("guess:  largest difference of rows alone and in a batch: 0 and 0")
chosen = helper.make_node(
    "If", ["chosen"], ["y"], then_branch=branch("then"), else_branch=branch("else")
)
plain = difference(scan("plain"), np.random.default_rng(0))
nested = difference(chosen, np.random.default_rng(0))
print(f"seen:   Scan in the main graph: {plain}")
print(f"seen:   Scan in a branch of an If: {nested:.1e}")
assert plain == 0 < nested, "the behaviour has changed"
PYTHON
