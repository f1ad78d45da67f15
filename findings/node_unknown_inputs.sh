#!/usr/bin/env bash
# What:    onnxruntime-node ignores every input that it does not list, without an error: a misspelt
#          name, and also a value for an initializer that the file declares as an input, its default.
#          The file then runs with the default. onnxruntime-web refuses both; in Python a value for
#          the default takes effect.
# Version: onnxruntime-node 1.30.0, onnxruntime-web 1.30.0, onnxruntime 1.32.0 (Python)
# Guess:   The three are one runtime: an input with a default takes the value that is given, and an
#          unknown name is an error.
# Why:     An initializer that is also an input is ONNX's way to give a default, for a temperature or
#          a state of zeros. In Node the given temperature has no effect and the given state is
#          dropped: each call begins anew, and the text still looks like text. Make every such value
#          a plain input, and compare the names that you give with session.inputNames.
# Output seen:
#   onnxruntime 1.32.0: inputs x; default 2, given 5: 5, misspelt: error
#   onnxruntime-node 1.30.0: inputs x; default 2, given 5: 2, misspelt: 2
#   onnxruntime-web 1.30.0: inputs x; default 2, given 5: error, misspelt: error
#   guess:  default 2, given 5: 5, misspelt: error, in all three
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
npm install --silent --ignore-scripts --no-audit --no-fund \
  onnxruntime-node@1.30.0 onnxruntime-web@1.30.0 > /dev/null

venv/bin/python -I - > seen <<'PYTHON'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, checker, helper, numpy_helper

info = helper.make_tensor_value_info
graph = helper.make_graph(
    [helper.make_node("Mul", ["x", "factor"], ["y"])],
    "scaled",
    [info("x", TensorProto.FLOAT, [1]), info("factor", TensorProto.FLOAT, [1])],
    [info("y", TensorProto.FLOAT, [1])],
    [numpy_helper.from_array(np.array([2], np.float32), "factor")],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
checker.check_model(model, full_check=True)
onnx.save(model, "scaled.onnx")

options = onnxruntime.SessionOptions()
options.log_severity_level = 4
session = onnxruntime.InferenceSession("scaled.onnx", options, providers=["CPUExecutionProvider"])
one = np.ones(1, np.float32)


def run(**more: np.ndarray) -> str:
    try:
        return f"{session.run(None, {'x': one, **more})[0][0]:.0f}"
    except Exception:
        return "error"


names = ", ".join(each.name for each in session.get_inputs())
results = f"default {run()}, given 5: {run(factor=5 * one)}, misspelt: {run(factr=5 * one)}"
print(f"onnxruntime {onnxruntime.__version__}: inputs {names}; {results}")
PYTHON

cat > run.mjs <<'JAVASCRIPT'
import fs from "node:fs";

const [, , name, entry] = process.argv;
const ort = await import(entry);
const version = JSON.parse(fs.readFileSync(`node_modules/${name}/package.json`)).version;
ort.env.wasm.numThreads = 1;
const bytes = new Uint8Array(fs.readFileSync("scaled.onnx"));
const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 4 });
const tensor = (value) => new ort.Tensor("float32", Float32Array.of(value), [1]);

async function run(more) {
  try {
    return (await session.run({ x: tensor(1), ...more })).y.data[0];
  } catch {
    return "error";
  }
}

const given = `given 5: ${await run({ factor: tensor(5) })}`;
const misspelt = `misspelt: ${await run({ factr: tensor(5) })}`;
const results = `default ${await run({})}, ${given}, ${misspelt}`;
console.log(`${name} ${version}: inputs ${session.inputNames.join(", ")}; ${results}`);
JAVASCRIPT
node run.mjs onnxruntime-node onnxruntime-node >> seen
node run.mjs onnxruntime-web onnxruntime-web/wasm >> seen

cat seen
echo "guess:  default 2, given 5: 5, misspelt: error, in all three"
expect() {
  grep -q "^$1 .*: inputs x; $2\$" seen || { echo "changed: $1 is not '$2'" >&2; exit 1; }
}
expect onnxruntime "default 2, given 5: 5, misspelt: error"
expect onnxruntime-node "default 2, given 5: 2, misspelt: 2"
expect onnxruntime-web "default 2, given 5: error, misspelt: error"
