"""Writes the files that the engines run, and beside each what onnxruntime gives: hosts/build/.

Run by the Python of this repository: python -m hosts.files
"""

import dataclasses
import json
import random
import tempfile
from pathlib import Path
from typing import Any

import onnx

import rnn_infer
from rnn_infer.contract import Metadata
from rnn_infer.runtime.stepper import Stepper
from rnn_infer.sampling import Uniforms
from rnn_train import ClassifierRequest, ExportOptions, export, train_classifier
from rnn_train.models import hashing

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
    "many-rows": ("many-rows", {}),
    "many-rows.int8": ("many-rows", {"weights": "int8"}),
    "many-rows.without-if": ("many-rows", {"without_if": True}),
    "many-rows.without-if.int8": ("many-rows", {"without_if": True, "weights": "int8"}),
    "many-rows.steps-4": ("many-rows", {"steps": 4}),
}
_MANY_ROWS: dict[str, Any] = {
    "embedding": 16,
    "hidden": 32,
    "evidence": 1,
    "ngrams": 4,
    "prefix": hashing.MAX_PREFIX,
    "ngram_rows": hashing.MAX_ROWS,
    "frequent_ngrams": 2_000,
    "ngram_width": 8,
    "bag": True,
}
"""The layers that a table of many rows gets, but narrow."""


def _source(name: str) -> Path:
    """Returns a shipped model, or a small one that is trained for this if it is not there."""
    shipped, made = ROOT / "exported" / f"{name}.onnx", BUILD / f"{name}.trained.onnx"
    if shipped.exists():
        return shipped
    if not made.exists():
        chance = random.Random(0)
        with tempfile.TemporaryDirectory() as folder:
            table = Path(folder, "table.csv")
            both = (("abcde ", "x"), ("cdefgh ", "y")) * 400
            rows = "".join(f"{_words(chance, letters)},{label}\n" for letters, label in both)
            table.write_text("text,label\n" + rows)
            request = ClassifierRequest(data=(str(table),), epochs=2, model=_MANY_ROWS)
            train_classifier(request, out=made, run=Path(folder, "run"))
    return made


def write_file(name: str) -> None:
    """Exports one variant of a model, and writes its case."""
    source, options = FILES[name]
    path = BUILD / f"{name}.onnx"
    export(_source(source), path, ExportOptions(**options), log=lambda _: None)
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


def _words(chance: random.Random, letters: str) -> str:
    """Makes up to 24 letters and spaces."""
    return "".join(chance.choices(letters, k=chance.randint(4, 24))).strip() or letters[0]


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
