"""The variants of a file, and large vocabularies: all variants give the same text."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

import rnn_infer
from rnn_train.exporting.model_file import export
from rnn_train.models.cells import CELLS, Cell, State
from rnn_train.models.classifier import ClassifierConfig, RecurrentClassifier
from tests.train.exporting.examples import (
    VOCABULARY,
    char_lstm,
    lm_card,
    no_loss,
    operators,
    shaken,
)


class Joining(Cell):
    """A cell that joins its input and its state, which have different widths."""

    def __init__(self, input_size: int, width: int) -> None:
        super().__init__(input_size, {"s": width})
        self.mix = nn.Linear(input_size + width, width)

    def forward(self, x: Tensor, state: State) -> State:
        return (torch.tanh(self.mix(torch.cat([x, state[0]], -1))),)


def test_step_only_leaves_generation_out(tmp_path: Path) -> None:
    model = char_lstm(layers=2)
    export(model, lm_card(), tmp_path / "whole.onnx")
    export(model, lm_card(), tmp_path / "step.onnx", step_only=True)
    graph = onnx.load(tmp_path / "step.onnx").graph
    states = ["h0", "c0", "h1", "c1"]
    assert [each.name for each in graph.input] == ["tokens", *states]
    assert {each.name for each in graph.output} == {"logits", *(f"{s}_next" for s in states)}
    assert (tmp_path / "step.onnx").stat().st_size < (tmp_path / "whole.onnx").stat().st_size

    whole, step = (rnn_infer.CharLM.load(tmp_path / name) for name in ("whole.onnx", "step.onnx"))
    options: list[dict[str, Any]] = [{}, {"temperature": 0}, {"top_k": 4, "top_p": 0.9}]
    for given in options:
        texts = [lm.generate("abc", length=120, seed=8, **given) for lm in (whole, step)]
        assert texts[0] == texts[1]


@pytest.mark.parametrize("steps", [1, 2, 7])
@pytest.mark.parametrize("step_only", [False, True])
@pytest.mark.parametrize(("weights", "skip"), [("float32", False), ("float16", True)])
def test_fixed_steps_have_no_control_flow(
    weights: Any, skip: bool, step_only: bool, steps: int, tmp_path: Path
) -> None:
    """A CUDA graph can capture it: it has no subgraphs, and computes no shapes."""
    model = char_lstm(layers=2, skip=skip, hidden=96)
    kind: dict[str, Any] = {"weights": weights, "loss": lambda _: 0.0, "step_only": step_only}
    export(model, lm_card(), tmp_path / "fixed.onnx", steps=steps, **kind)
    export(model, lm_card(), tmp_path / "whole.onnx", **kind)
    graph = onnx.load(tmp_path / "fixed.onnx").graph
    assert not operators(graph) & {"Loop", "Scan", "If", "Shape", "Reshape"}
    # Nor does it split into unequal parts; see `capture`.
    assert all(len(node.input) == 1 for node in graph.node if node.op_type == "Split")
    assert "Loop" in operators(onnx.load(tmp_path / "whole.onnx").graph) or step_only
    dims = {each.name: each.type.tensor_type.shape.dim for each in [*graph.input, *graph.output]}
    assert [each.dim_value for each in dims["tokens"]] == [0, steps]
    fixed, whole = (rnn_infer.CharLM.load(tmp_path / f"{name}.onnx") for name in ("fixed", "whole"))
    options: list[dict[str, Any]] = [{}, {"temperature": 0}, {"top_k": 4}, {"top_p": 0.9}]
    for given in options:
        texts = [lm.generate(["abc", "d"], length=40, seed=8, **given) for lm in (fixed, whole)]
        assert texts[0] == texts[1]
    # In float16, rounding may differ between one row and many rows.
    assert fixed.score("badcab").nats_per_char == pytest.approx(
        whole.score("badcab").nats_per_char, abs=1e-6 if weights == "float32" else 1e-3
    )


def test_joined_parts_are_equal_and_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """onnxruntime passes the sizes of up to 32 equal parts by value, so a replay is safe."""
    export(char_lstm(layers=3, skip=True), lm_card(), tmp_path / "m.onnx", steps=32)
    graph = onnx.shape_inference.infer_shapes(onnx.load(tmp_path / "m.onnx")).graph
    assert all(max(len(each.input), len(each.output)) <= 32 for each in graph.node)
    monkeypatch.setitem(CELLS, "own", Joining)
    own = RecurrentClassifier(
        ClassifierConfig(vocabulary=len(VOCABULARY), labels=2, cell="own", embedding=5, hidden=6)
    )
    card = lm_card(unknown=3, labels=("x", "y"), end=" ", log_prior=(-0.7, -0.7))
    export(own, card, tmp_path / "whole.onnx")
    export(own, card, tmp_path / "fixed.onnx", steps=4)
    whole, fixed = (
        rnn_infer.Classifier.load(tmp_path / f"{name}.onnx") for name in ("whole", "fixed")
    )
    for found, expected in zip(
        *(each.classify(["abc", "deed" * 9]) for each in (fixed, whole)), strict=True
    ):
        assert found.probability == pytest.approx(expected.probability, abs=1e-6)


@pytest.mark.parametrize(
    "shape",
    [
        {"cell": "gru", "pool": False},
        {"ngrams": 3, "evidence": 4},
        {"ngrams": 4, "bag": True},
        {"ngrams": 2, "bag": True, "prefix": 4, "space": 4, "frequent_ngrams": 9},
    ],
)
def test_fixed_steps_of_a_classifier(shape: dict[str, Any], tmp_path: Path) -> None:
    sizes: dict[str, Any] = {"embedding": 5, "hidden": 6, "ngram_rows": 64} | shape
    model = RecurrentClassifier(ClassifierConfig(vocabulary=len(VOCABULARY), labels=2, **sizes))
    model = shaken(model)
    card = lm_card(unknown=3, labels=("x", "y"), end=" ", log_prior=(-0.7, -0.7))
    loaded = []
    for steps in (None, 1, 4):
        export(model, card, tmp_path / f"{steps}.onnx", steps=steps)
        loaded.append(rnn_infer.Classifier.load(tmp_path / f"{steps}.onnx"))
    for steps in (1, 4):
        used = operators(onnx.load(tmp_path / f"{steps}.onnx").graph)
        assert not used & {"Loop", "Scan", "If", "Shape", "Reshape"}
    whole, *others = (each.classify(["abc", "d", "deed" * 9]) for each in loaded)
    for found in others:
        for one, other in zip(found, whole, strict=True):
            assert one.label == other.label
            assert one.probability == pytest.approx(other.probability, abs=1e-6)


@pytest.mark.parametrize("layers", [1, 2])
def test_without_if(layers: int, tmp_path: Path) -> None:
    """The same logits and the same text, of float32 and of int8 files."""
    model = shaken(char_lstm(layers=layers, hidden=96))
    for weights in ("float32", "int8"):
        kind: dict[str, Any] = {"weights": weights, "loss": no_loss}
        export(model, lm_card(), tmp_path / "with.onnx", **kind)
        export(model, lm_card(), tmp_path / "without.onnx", without_if=True, **kind)
        found = operators(onnx.load(tmp_path / "without.onnx").graph)
        assert "If" not in found
        assert "Loop" in found
        plain, other = (
            rnn_infer.CharLM.load(tmp_path / f"{name}.onnx") for name in ("with", "without")
        )
        assert plain.score("abc dead") == other.score("abc dead")
        options: list[dict[str, Any]] = [{}, {"temperature": 0}, {"top_k": 4}, {"top_p": 0.9}]
        for given in options:
            texts = [lm.generate(["abc", "d"], length=40, seed=8, **given) for lm in (plain, other)]
            assert texts[0] == texts[1]


@pytest.mark.parametrize("weights", ["float16", "int8"])
def test_nothing_to_round_is_said(weights: Any, tmp_path: Path) -> None:
    said: list[str] = []
    kind: dict[str, Any] = {"weights": weights, "loss": no_loss, "log": said.append}
    export(char_lstm(), lm_card(), tmp_path / "small.onnx", **kind)
    assert len(said) == 1
    assert f"{weights} rounds nothing" in said[0]
    small = rnn_infer.CharLM.load(tmp_path / "small.onnx")
    assert small.metadata.training["weights"] == "float32"
    export(char_lstm(hidden=96), lm_card(), tmp_path / "large.onnx", **kind)
    assert len(said) == 1


def test_large_vocabulary_is_not_folded(tmp_path: Path) -> None:
    """Its table would have more numbers than MAX_TABLE."""
    vocabulary = tuple(map(chr, range(0x4E00, 0x4E00 + 5000)))
    model = char_lstm(vocabulary=5000, embedding=4, hidden=64)
    shown = export(model, lm_card(vocabulary=vocabulary, start="一"), tmp_path / "m.onnx")
    assert all(value < 1e-4 for value in shown.values())
    assert "embedding" in {each.name for each in onnx.load(tmp_path / "m.onnx").graph.initializer}


def test_twenty_thousand_characters(tmp_path: Path) -> None:
    """The graph and the numpy rule score and draw the same, with every filter."""
    size = 20_000
    model = char_lstm(vocabulary=size)
    card = lm_card(vocabulary=tuple(chr(0x3400 + i) for i in range(size)), start="\u3456")
    for name, step_only in (("graph", False), ("numpy", True)):
        export(model, card, tmp_path / f"{name}.onnx", step_only=step_only)
    graph, numpy = (
        rnn_infer.CharLM.load(tmp_path / f"{name}.onnx", device="cpu")
        for name in ("graph", "numpy")
    )
    drawn = []
    for options in ({}, {"top_p": 0.9}, {"top_k": 50}, {"top_k": 5000, "top_p": 0.3}):
        drawn.append(graph.generate(length=30, seed=5, **options))
        assert numpy.generate(length=30, seed=5, **options) == drawn[-1]
    assert len(set(drawn)) == len(drawn)
    assert graph.score(drawn[0]) == numpy.score(drawn[0])
    assert graph.score(drawn[0]).nats_per_char == pytest.approx(np.log(size), rel=0.1)
