"""Other engines beside onnxruntime, in turns: microseconds a character of one stream.

    python -m hosts.speed --python python3.12

Each contestant is a process in the environment of its engine, on one thread. In a round each draws
96 characters, one after another, so that all meet the same conditions. Python's share is the same
for all: the loop of `driver.py`.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import onnx

from benchmarks.harness import Race, write
from benchmarks.networks import Shape, plain_graph
from rnn_infer.runtime.stepper import Stepper
from rnn_train.exporting.model_file import ModelCard, export

from .engines import ENGINES
from .files import BUILD
from .run import environment

SHAPES = (Shape(1, 128), Shape(2, 512))
ROUNDS = 25
VARIANTS: dict[str, dict[str, Any]] = {
    "ordinary": {},
    "ordinary int8": {"weights": "int8"},
    "--without-if": {"without_if": True},
    "--without-if int8": {"without_if": True, "weights": "int8"},
    "--steps 4": {"steps": 4},
    "--steps 4 int8": {"steps": 4, "weights": "int8"},
    "--step-only --steps 1": {"steps": 1, "step_only": True},
}
CONTESTANTS = (
    ("onnxruntime", "ordinary"),
    ("onnxruntime", "ordinary int8"),
    ("onnxruntime", "plain LSTM"),
    ("OpenVINO", "--without-if"),
    ("OpenVINO", "--without-if int8"),
    ("OpenVINO", "plain LSTM"),
    ("tract", "--steps 4"),
    ("tract", "--steps 4 int8"),
    ("tract", "plain LSTM"),
    ("LiteRT", "--step-only --steps 1"),
)


def prepare(shape: Shape, variant: str) -> Path:
    """Writes a file and its case."""
    path = BUILD / f"speed-{shape.layers}x{shape.width}-{variant.replace(' ', '')}.onnx"
    case: dict[str, Any] = {"plain": variant == "plain LSTM"}
    case |= {"layers": shape.layers, "width": shape.width}
    if variant == "plain LSTM":
        path.write_bytes(plain_graph(shape))
    else:
        characters = tuple(chr(0x4E00 + i) for i in range(shape.vocabulary))
        card = ModelCard(vocabulary=characters, unknown=None, start=characters[0])
        export(shape.model(), card, path, loss=lambda _: 0.0, log=str, **VARIANTS[variant])
        file = Stepper.open(path, device="cpu").file
        case |= {"states": {each.name: each.width for each in file.states}, "steps": file.steps}
        case |= {"draws": file.generates, "kind": "charlm"}
        case["texts"] = [{"temperature": 0.8, "top_k": 0, "top_p": 1}]
    graph = onnx.load(path).graph
    case["inputs"], case["outputs"] = ([i.name for i in p] for p in (graph.input, graph.output))
    path.with_suffix(".json").write_text(json.dumps(case))
    return path


def start(engine: str, path: Path, python: str) -> subprocess.Popen[str] | None:
    """Starts a contestant. None: its engine does not run the file."""
    script = Path(ENGINES[engine][0]).stem
    racer = Path(__file__).with_name("racer.py")
    process = subprocess.Popen(
        [environment(engine, python), racer, script, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"},
    )
    assert process.stdout
    for line in process.stdout:
        if line == "ready\n":
            return process
    return None


def raced(shape: Shape, python: str) -> Race:
    """Lets all contestants draw in turns."""
    paths = {variant: prepare(shape, variant) for _, variant in CONTESTANTS}
    started = {(e, v): start(e, paths[v], python) for e, v in CONTESTANTS}
    running = {f"{e}, {v}": each for (e, v), each in started.items() if each}
    result = Race(f"{shape}; 1 streams; 1 threads", "character", {name: [] for name in running})
    for _ in range(ROUNDS):
        for name, process in running.items():
            assert process.stdin
            assert process.stdout
            print("go", file=process.stdin, flush=True)
            result.samples[name].append(float(process.stdout.readline()))
    for process in running.values():
        process.terminate()
    return result


def main() -> None:
    """Measures, and writes benchmarks/results/engines.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable, help="makes the environments; 3.12")
    python = parser.parse_args().python
    races = [raced(shape, python) for shape in SHAPES]
    for each in races:
        print(json.dumps({k: round(each.typical(k) * 1e6) for k in each.samples}, indent=1))
    versions = {name: ENGINES[name][1][0] for name in dict(CONTESTANTS)}
    write("engines", races, packages=versions)


if __name__ == "__main__":
    main()
