#!/usr/bin/env bash
# What:    OpenVINO's CPU plugin multiplies ONNX int64 tensors in int32. A hash of characters (a
#          polynomial, and then what a division leaves) gives other table entries, without a warning,
#          and the model still declares and returns int64.
# Version: openvino 2026.4.1 (beside it onnx 1.23.2, ReferenceEvaluator)
# Guess:   The type of the file is kept: products below 2**63 are exact, as in the reference.
# Why:     Hashed n-grams are the usual input of a small text classifier, and int64 is ONNX's usual
#          integer. Short texts stay below 2**31, so a test with them passes. Reduce the sum after
#          each few characters, so that every number fits into int32.
# Output seen:
#   openvino 2026.4.1
#   guess:  entries [97, 6015, 2567, 4630]
#   seen:   entries [97, 6015, 2567, -8096]
#   seen:   the output's type is i64
#   cure:   reduced after each character: entries [97, 6015, 2567, 4630]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  onnx==1.23.2 openvino==2026.4.1 numpy==2.4.6

venv/bin/python -I - <<'PYTHON'
import numpy as np
import onnx
import openvino
from onnx import TensorProto, checker, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

BASE, ROWS, TEXT = 61, 9_973, "abcdefgh"
LENGTHS = (1, 2, 5, 8)


def remainder(nodes: list, value: str, name: str) -> str:
    nodes += [
        helper.make_node("Div", [value, "rows"], [f"{name}.q"]),
        helper.make_node("Mul", [f"{name}.q", "rows"], [f"{name}.below"]),
        helper.make_node("Sub", [value, f"{name}.below"], [name]),
    ]
    return name


def hashed(length: int, reduced: bool) -> onnx.ModelProto:
    """The polynomial of so many codes, and what its division by the number of rows leaves."""
    nodes: list = []
    value = "code0"
    for place in range(1, length):
        if reduced:
            value = remainder(nodes, value, f"small{place}")
        nodes += [
            helper.make_node("Mul", [value, "base"], [f"times{place}"]),
            helper.make_node("Add", [f"times{place}", f"code{place}"], [f"sum{place}"]),
        ]
        value = f"sum{place}"
    nodes.append(helper.make_node("Identity", [remainder(nodes, value, "left")], ["entry"]))
    inputs = [
        helper.make_tensor_value_info(f"code{place}", TensorProto.INT64, [1])
        for place in range(length)
    ]
    outputs = [helper.make_tensor_value_info("entry", TensorProto.INT64, [1])]
    weights = {"base": np.array([BASE]), "rows": np.array([ROWS])}
    initializers = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "hash", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    checker.check_model(model, full_check=True)
    return model


def compiled(model: onnx.ModelProto) -> openvino.CompiledModel:
    core = openvino.Core()
    return core.compile_model(core.read_model(model.SerializeToString(), b""), "CPU")


def feeds(length: int) -> dict[str, np.ndarray]:
    return {f"code{place}": np.array([ord(TEXT[place])]) for place in range(length)}


def entries(reduced: bool) -> list[int]:
    found = []
    for length in LENGTHS:
        made = compiled(hashed(length, reduced))
        found.append(int(next(iter(made(feeds(length)).values()))[0]))
    return found


print(f"openvino {openvino.__version__.split('-')[0]}")
right = []
for length in LENGTHS:
    value = 0
    for char in TEXT[:length]:
        value = value * BASE + ord(char)
    assert value < 2**63
    right.append(value % ROWS)
    (reference,) = ReferenceEvaluator(hashed(length, False)).run(None, feeds(length))
    assert int(reference[0]) == right[-1], "the reference evaluator changed"
print(f"guess:  entries {right}")
seen = entries(reduced=False)
print(f"seen:   entries {seen}")
print(f"seen:   the output's type is {compiled(hashed(8, False)).output(0).element_type.get_type_name()}")
assert seen[:3] == right[:3], "changed: short texts are wrong"
assert seen[3] != right[3], "changed: int64 is exact"
cured = entries(reduced=True)
print(f"cure:   reduced after each character: entries {cured}")
assert cured == right, "the cure changed"
PYTHON
