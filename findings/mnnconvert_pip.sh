#!/usr/bin/env bash
# What:    mnnconvert, the converter of the MNN wheel, runs `pip install -U aliyun-log-python-sdk`
#          with the first pip in PATH, to send a record of the conversion. Where that package is
#          present, it asks a server for credentials. Nothing asks, no option stops it.
# Version: MNN 3.6.1
# Guess:   A converter reads a model and writes a file.
# Why:     The package and its dependencies land in the Python of the shell, also when mnnconvert
#          stands in another virtual environment, and stay there. A build without a network waits
#          for the attempt. Call the converter's own function, which does neither (the cure below).
#          This script puts a stand-in for pip first in PATH and one for the requests of Python, so
#          nothing is installed or sent.
# Output seen:
#   MNN 3.6.1
#   guess:  mnnconvert runs no other program
#   seen:   a call of pip: install -U aliyun-log-python-sdk
#   seen:   converted: yes
#   guess:  a conversion opens no connection
#   seen:   with the package present: 1 request to a server, before the conversion
#   cure:   _tools.mnnconvert([...]): converted: yes, calls of pip: 0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check MNN==3.6.1 onnx==1.23.2 numpy==2.4.6

mkdir programs
printf '#!/bin/sh\necho "$@" >> "%s/calls"\n' "$folder" > programs/pip
chmod +x programs/pip
export PATH="$folder/programs:$PATH"
touch calls

venv/bin/python -I - <<'PYTHON'
import onnx
from onnx import TensorProto, checker, helper

info = helper.make_tensor_value_info
node = helper.make_node("Tanh", ["x"], ["y"])
shapes = [info("x", TensorProto.FLOAT, [1, 4])], [info("y", TensorProto.FLOAT, [1, 4])]
graph = helper.make_graph([node], "layer", *shapes)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
checker.check_model(model, full_check=True)
onnx.save(model, "layer.onnx")
PYTHON

arguments=(-f ONNX --modelFile layer.onnx --bizCode test --MNNModel)
fail() { echo "$1" >&2; exit 1; }

venv/bin/python -c 'from importlib.metadata import version; print("MNN", version("MNN"))'
echo "guess:  mnnconvert runs no other program"
venv/bin/mnnconvert "${arguments[@]}" first.mnn > log 2>&1
grep -q aliyun-log-python-sdk calls || fail "changed: mnnconvert does not call pip"
echo "seen:   a call of pip: $(head -n 1 calls)"
[ -s first.mnn ] || fail "changed: mnnconvert writes no file"
echo "seen:   converted: yes"

echo "guess:  a conversion opens no connection"
venv/bin/python - > log <<'PYTHON'
import sys
import types
import urllib.request

requests = []


def refuse(request: object, *_: object) -> None:
    requests.append(request)
    raise OSError("this script sends nothing")


urllib.request.urlopen = refuse
client = types.ModuleType("aliyun.log")
client.LogClient = client.PutLogsRequest = object
item = types.ModuleType("aliyun.log.logitem")
item.LogItem = object
package = types.ModuleType("aliyun")
package.log = client
sys.modules |= {"aliyun": package, "aliyun.log": client, "aliyun.log.logitem": item}

import MNN.tools.mnnconvert  # noqa: E402, F401  (what the program mnnconvert imports)

print("requests", len(requests))
PYTHON
grep -q "^requests 1$" log || fail "changed: there is no request, or more than one"
echo "seen:   with the package present: 1 request to a server, before the conversion"

: > calls
venv/bin/python - "${arguments[@]}" second.mnn > log <<'PYTHON'
import sys

import MNN  # noqa: F401  (loads the libraries of _tools)
import _tools

_tools.mnnconvert(["mnnconvert", *sys.argv[1:]])
PYTHON
[ -s second.mnn ] && [ ! -s calls ] || fail "the cure changed"
echo "cure:   _tools.mnnconvert([...]): converted: yes, calls of pip: $(wc -l < calls)"
