#!/usr/bin/env bash
# What:    All sessions of one process draw the same numbers from a file whose random node has no
#          seed. Each new session begins the same sequence anew.
# Version: onnxruntime 1.32.0
# Guess:   The specification says that a node without the attribute seed gets one by itself, so two
#          sessions draw different numbers.
# Why:     A server that opens a session for each worker thread, or opens the file again for each
#          request, lets all of them write the same text, although the file names no seed. One
#          session, tried alone, looks random: its runs differ, and so do two processes.
#          Call onnxruntime.set_seed with another number before each session is made, or better,
#          make the uniform numbers an input of the file.
# Output seen:
#   onnxruntime 1.32.0
#   guess:  40 draws of two sessions differ
#   seen:   Multinomial: first runs are equal, second runs are equal; the two runs differ
#   seen:   RandomUniformLike: first runs are equal, second runs are equal; the two runs differ
#   seen:   two processes differ
#   cure:   set_seed(1) and set_seed(2) before the sessions: first runs differ
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6

cat > sampler.py <<'PYTHON'
import numpy as np
import onnxruntime
from onnx import TensorProto, checker, helper

SYMBOLS, DRAWS = 20, 40
LOGITS = np.zeros((1, SYMBOLS), np.float32)
NODES = {"Multinomial": {"dtype": 7, "sample_size": DRAWS}, "RandomUniformLike": {}}


def session(kind: str) -> onnxruntime.InferenceSession:
    """A session that draws from the logits, without a seed in the file."""
    whole = kind == "Multinomial"
    output = helper.make_tensor_value_info(
        "drawn",
        TensorProto.INT64 if whole else TensorProto.FLOAT,
        [1, DRAWS if whole else SYMBOLS],
    )
    graph = helper.make_graph(
        [helper.make_node(kind, ["logits"], ["drawn"], **NODES[kind])],
        "sampler",
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, SYMBOLS])],
        [output],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    checker.check_model(model, full_check=True)
    return onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )


def draw(made: onnxruntime.InferenceSession) -> list[float]:
    return made.run(None, {"logits": LOGITS})[0].ravel().tolist()
PYTHON
cat > two_sessions.py <<'PYTHON'
import onnxruntime
from sampler import DRAWS, NODES, draw, session

print(f"onnxruntime {onnxruntime.__version__}")
print(f"guess:  {DRAWS} draws of two sessions differ")
for kind in NODES:
    one, two = session(kind), session(kind)
    first, second = (draw(one), draw(two)), (draw(one), draw(two))
    assert first[0] == first[1] and second[0] == second[1], "changed: two sessions differ"
    assert first[0] != second[0], "changed: two runs of one session are equal"
    print(f"seen:   {kind}: first runs are equal, second runs are equal; the two runs differ")
PYTHON
cat > seeded.py <<'PYTHON'
import onnxruntime
from sampler import draw, session

first = []
for seed in (1, 2):
    onnxruntime.set_seed(seed)
    first.append(draw(session("Multinomial")))
assert first[0] != first[1], "the cure changed"
print("cure:   set_seed(1) and set_seed(2) before the sessions: first runs differ")
PYTHON

venv/bin/python two_sessions.py
once='from sampler import draw, session; print(draw(session("Multinomial")))'
[ "$(venv/bin/python -c "$once")" != "$(venv/bin/python -c "$once")" ] ||
  { echo "changed: two processes draw the same numbers" >&2; exit 1; }
echo "seen:   two processes differ"
venv/bin/python seeded.py
