"""The files of `hosts.speed`: an untrained network in each variant, and empty graphs."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from benchmarks.networks import Shape, plain_graph
from rnn_infer.contract import GENERATED, LOGITS, NEXT, TOKENS, UNIFORM
from rnn_infer.runtime.stepper import Stepper
from rnn_train.exporting.model_file import ModelCard, export

from .files import BUILD

PLAIN, INT8 = "plain LSTM", " int8"
_OPTIONS: dict[str, dict[str, Any]] = {
    "ordinary": {},
    "--without-if": {"without_if": True},
    "--steps 4": {"steps": 4},
    "--step-only --steps 1": {"steps": 1, "step_only": True},
}


def prepare(shape: Shape, variant: str) -> Path:
    """Writes a file and its case.

    Args:
        shape: of the network.
        variant: a name of `_OPTIONS`, with " int8" behind it for int8 weights; or `PLAIN`.
    """
    path = BUILD / f"speed-{shape.layers}x{shape.width}-{variant.replace(' ', '')}.onnx"
    case: dict[str, Any] = {
        "plain": variant == PLAIN,
        "weights": "int8" if variant.endswith(INT8) else "float32",
        "layers": shape.layers,
        "width": shape.width,
        "texts": [{"temperature": 0.8, "top_k": 0, "top_p": 1}],
    }
    if variant == PLAIN:
        path.write_bytes(plain_graph(shape))
        ordinary = prepare(shape, "ordinary").with_suffix(".json")
        case["golden"] = json.loads(ordinary.read_text())["golden"]
    else:
        characters = tuple(chr(0x4E00 + i) for i in range(shape.vocabulary))
        card = ModelCard(vocabulary=characters, unknown=None, start=characters[0])
        options = {"weights": case["weights"], **_OPTIONS[variant.removesuffix(INT8)]}
        export(shape.model(), card, path, loss=lambda _: 0.0, log=str, **options)
        file = Stepper.open(path, device="cpu").file
        case["states"] = {each.name: each.width for each in file.states}
        case |= {"steps": file.steps, "draws": file.generates}
        case["golden"] = dataclasses.asdict(file.metadata.golden)
    _write_case(path, case)
    return path


def empty_of(path: Path) -> Path:
    """Writes a graph with the inputs and outputs of another, and as good as no work.

    What a call of it takes is the engine's and Python's share in a call of the other.
    """
    case = json.loads(path.with_suffix(".json").read_text())
    graph = onnx.load(path).graph
    characters = len(case["golden"]["logits"])
    table = numpy_helper.from_array(np.zeros((characters, characters), np.float32), "table")
    half = numpy_helper.from_array(np.array(0.5, np.float32), "half")
    nodes = []
    for each in graph.output:
        if each.name == LOGITS:
            nodes.append(helper.make_node("Gather", ["table", TOKENS], [LOGITS]))
        elif each.name == GENERATED:
            to = onnx.TensorProto.INT64
            nodes.append(helper.make_node("Cast", [UNIFORM], [GENERATED], to=to))
        else:
            state = each.name.removesuffix(NEXT)
            nodes.append(helper.make_node("Mul", [state, "half"], [each.name]))
    empty = helper.make_graph(nodes, "empty", graph.input, graph.output, [table, half])
    model = helper.make_model(empty, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    made = path.with_name(f"{path.stem}-empty.onnx")
    onnx.save(model, made)
    _write_case(made, case | {"golden": None})
    return made


def _write_case(path: Path, case: dict[str, Any]) -> None:
    graph = onnx.load(path).graph
    names = {"inputs": [i.name for i in graph.input], "outputs": [o.name for o in graph.output]}
    path.with_suffix(".json").write_text(json.dumps(case | names))
