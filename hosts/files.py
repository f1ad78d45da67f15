"""Writes the files that the engines run, and beside each what onnxruntime gives: hosts/build/.

Run by the Python of this repository: python -m hosts.files
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import onnx

import rnn_infer
from rnn_infer.contract import Metadata
from rnn_infer.runtime.stepper import Stepper
from rnn_infer.sampling import Uniforms
from rnn_train import ExportOptions, export

ROOT = Path(__file__).parents[1]
BUILD = Path(__file__).parent / "build"
PROMPT, LENGTH = "ROMEO:\n", 96
TEXTS: tuple[dict[str, float], ...] = (
    {"temperature": 0.8, "top_k": 0, "top_p": 1},
    {"temperature": 0, "top_k": 0, "top_p": 1},
    {"temperature": 1, "top_k": 5, "top_p": 0.9},
)
FILES: dict[str, tuple[str, dict[str, Any]]] = {
    "charlm": ("charlm", {}),
    "charlm.int8": ("charlm", {"weights": "int8"}),
    "charlm.without-if": ("charlm", {"without_if": True}),
    "charlm.without-if.int8": ("charlm", {"without_if": True, "weights": "int8"}),
    "charlm.without-if.float16": ("charlm", {"without_if": True, "weights": "float16"}),
    "charlm.step-only": ("charlm", {"step_only": True}),
    "charlm.step-only.steps-1": ("charlm", {"step_only": True, "steps": 1}),
    "charlm.steps-4": ("charlm", {"steps": 4}),
    "charlm.steps-4.int8": ("charlm", {"steps": 4, "weights": "int8"}),
    "charlm.steps-4.float16": ("charlm", {"steps": 4, "weights": "float16"}),
    "classifier": ("classifier", {}),
    "classifier.int8": ("classifier", {"weights": "int8"}),
    "classifier.without-if": ("classifier", {"without_if": True}),
    "classifier.without-if.int8": ("classifier", {"without_if": True, "weights": "int8"}),
    "classifier.steps-4": ("classifier", {"steps": 4}),
}


def write_file(name: str) -> None:
    """Exports one variant of a shipped model, and writes its case."""
    source, options = FILES[name]
    path = BUILD / f"{name}.onnx"
    export(ROOT / "exported" / f"{source}.onnx", path, ExportOptions(**options), log=lambda _: None)
    file = Stepper.open(path, device="cpu").file
    graph = onnx.load_from_string(file.data).graph
    case: dict[str, Any] = {
        "kind": file.metadata.kind,
        "inputs": [each.name for each in graph.input],
        "outputs": [each.name for each in graph.output],
        "states": {state.name: state.width for state in file.states},
        "steps": file.steps,
        "draws": file.generates,
        "golden": dataclasses.asdict(file.metadata.golden),
    }
    if file.metadata.kind == "charlm":
        case |= _drawn(file.metadata, path)
    path.with_suffix(".json").write_text(json.dumps(case))


def _drawn(metadata: Metadata, path: Path) -> dict[str, Any]:
    """What onnxruntime draws: the text of seed 1."""
    token = {char: index for index, char in enumerate(metadata.vocabulary)}
    lm = rnn_infer.CharLM.load(path, device="cpu")

    def drawn(options: dict[str, Any]) -> list[int]:
        return [token[char] for char in lm.generate(PROMPT, length=LENGTH, seed=1, **options)]

    return {
        "prompt": [token[char] for char in PROMPT],
        "uniform": [float(each) for each in Uniforms(1).take(LENGTH)],
        "texts": [{**options, "drawn": drawn(options)} for options in TEXTS],
    }


if __name__ == "__main__":
    BUILD.mkdir(exist_ok=True)
    for each in FILES:
        write_file(each)
        print(f"wrote {each}")
