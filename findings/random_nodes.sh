#!/usr/bin/env bash
# What:    Simplifiers treat random nodes as if they were arithmetic. onnxsim, onnxslim and
#          onnxoptimizer merge two Multinomial nodes that draw from the same logits into one.
#          onnxslim also runs a RandomUniform once and writes its numbers into the file. onnxruntime
#          itself merges two Bernoulli nodes.
# Version: onnxsim 0.8.1, onnxslim 0.1.98, onnxoptimizer 0.4.2, onnxruntime 1.32.0
# Guess:   A random node stays as it is: two nodes are two draws, and each run draws anew. The
#          specification gives a node without the attribute seed a seed of its own.
# Why:     The simplified file loads, passes the checker, and its shapes are right. But a sampler
#          that draws two characters at once gives the same character twice, and one that adds noise
#          to its logits writes the same text at every call. Keep random nodes out of a file: make
#          the uniform numbers an input. Or give each node another seed attribute, and compare two
#          runs of the simplified file.
# Output seen:
#   onnxruntime 1.32.0, onnxsim 0.8.1, onnxslim 0.1.98, onnxoptimizer 0.4.2
#   guess:  two Multinomial nodes on one tensor of logits give two sets of 200 draws
#   seen:   as made: 2 nodes, two different sets
#   seen:   onnxsim: 1 nodes, one set twice
#   seen:   onnxslim: 1 nodes, one set twice
#   seen:   onnxoptimizer: 1 nodes, one set twice
#   cure:   with seeds 1 and 2: onnxsim 2, onnxslim 2, onnxoptimizer 2 nodes
#   guess:  a RandomUniform draws new noise for each run
#   seen:   as made: the second run differs from the first
#   seen:   onnxslim: 0 random nodes, the second run is equal to the first
#   guess:  two Bernoulli nodes give different masks in onnxruntime
#   seen:   equal masks; with graph optimisation off: different masks
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check onnx==1.23.2 onnxruntime==1.32.0 \
  onnxsim==0.8.1 onnxslim==0.1.98 onnxoptimizer==0.4.2 numpy==2.4.6

venv/bin/python -I - <<'PYTHON'
import copy
from collections.abc import Callable
from importlib.metadata import version

import numpy as np
import onnx
import onnxoptimizer
import onnxruntime
import onnxsim
import onnxslim
from onnx import TensorProto, checker, helper, numpy_helper

SYMBOLS, DRAWS = 50, 200
TOOLS: dict[str, Callable[[onnx.ModelProto], onnx.ModelProto]] = {
    "onnxsim": lambda model: onnxsim.simplify(model)[0],
    "onnxslim": onnxslim.slim,
    "onnxoptimizer": onnxoptimizer.optimize,
}
RANDOM = {"Multinomial", "RandomUniform", "Bernoulli"}


def finish(nodes: list, outputs: list[str], kind: int, initializers: list) -> onnx.ModelProto:
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "sampler",
        [info("logits", TensorProto.FLOAT, [1, SYMBOLS])],
        [info(name, kind, [1, DRAWS if kind == TensorProto.INT64 else SYMBOLS]) for name in outputs],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    checker.check_model(model, full_check=True)
    return model


def two_draws(*seeds: float) -> onnx.ModelProto:
    """A model that draws two sets of symbols, and shifts them past the special symbol 0."""
    nodes = []
    for name, seed in zip("ab", seeds or (None, None), strict=True):
        given = {} if seed is None else {"seed": seed}
        nodes += [
            helper.make_node(
                "Multinomial", ["logits"], [f"drawn_{name}"], dtype=7, sample_size=DRAWS, **given
            ),
            helper.make_node("Add", [f"drawn_{name}", "one"], [name]),
        ]
    one = numpy_helper.from_array(np.array(1), "one")
    return finish(nodes, ["a", "b"], TensorProto.INT64, [one])


def noisy_logits() -> onnx.ModelProto:
    nodes = [
        helper.make_node("RandomUniform", [], ["noise"], shape=[1, SYMBOLS]),
        helper.make_node("Add", ["logits", "noise"], ["noisy"]),
    ]
    return finish(nodes, ["noisy"], TensorProto.FLOAT, [])


def two_masks() -> onnx.ModelProto:
    nodes = []
    for name in "ab":
        nodes += [
            helper.make_node("Bernoulli", ["logits"], [f"mask_{name}"]),
            helper.make_node("Mul", ["logits", f"mask_{name}"], [name]),
        ]
    return finish(nodes, ["a", "b"], TensorProto.FLOAT, [])


def runs(model: onnx.ModelProto, optimise: bool = True) -> list[list[np.ndarray]]:
    """The outputs of two runs of one session."""
    options = onnxruntime.SessionOptions()
    if not optimise:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    feeds = {"logits": np.full((1, SYMBOLS), 0.5, np.float32)}
    return [session.run(None, feeds) for _ in range(2)]


def count(model: onnx.ModelProto) -> int:
    return sum(node.op_type in RANDOM for node in model.graph.node)


def simplified(tool: str, model: onnx.ModelProto) -> onnx.ModelProto:
    made = TOOLS[tool](copy.deepcopy(model))
    checker.check_model(made, full_check=True)
    return made


print(", ".join(f"{name} {version(name)}" for name in ("onnxruntime", *TOOLS)))
print(f"guess:  two Multinomial nodes on one tensor of logits give two sets of {DRAWS} draws")
assert not np.array_equal(*runs(two_draws())[0]), "onnxruntime changed: the two sets are equal"
print("seen:   as made: 2 nodes, two different sets")
for tool in TOOLS:
    model = simplified(tool, two_draws())
    equal = np.array_equal(*runs(model)[0])
    print(f"seen:   {tool}: {count(model)} nodes, {'one set twice' if equal else 'two sets'}")
    assert equal and count(model) == 1, f"{tool} changed: it keeps both nodes"
counts = {tool: count(simplified(tool, two_draws(1.0, 2.0))) for tool in TOOLS}
print(f"cure:   with seeds 1 and 2: {', '.join(f'{t} {n}' for t, n in counts.items())} nodes")
assert set(counts.values()) == {2}, "the cure changed"

print("guess:  a RandomUniform draws new noise for each run")
first, second = runs(noisy_logits())
assert not np.array_equal(first, second), "onnxruntime changed: equal noise"
print("seen:   as made: the second run differs from the first")
frozen = simplified("onnxslim", noisy_logits())
first, second = runs(frozen)
assert np.array_equal(first, second) and count(frozen) == 0, "onnxslim changed: it keeps the node"
print("seen:   onnxslim: 0 random nodes, the second run is equal to the first")

print("guess:  two Bernoulli nodes give different masks in onnxruntime")
merged = np.array_equal(*runs(two_masks())[0])
plain = np.array_equal(*runs(two_masks(), optimise=False)[0])
assert merged and not plain, "onnxruntime changed: it keeps two Bernoulli nodes"
print("seen:   equal masks; with graph optimisation off: different masks")
PYTHON
