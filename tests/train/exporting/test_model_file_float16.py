"""Files of float16 weights: near the float32 model, and half the size."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, numpy_helper

from rnn_infer import CharLM, Classifier
from rnn_infer.runtime.stepper import Stepper
from rnn_train.errors import ExportError
from rnn_train.exporting.model_file import ModelCard, export
from rnn_train.models.charlm import CharLSTM, CharLSTMConfig
from rnn_train.models.classifier import ClassifierConfig, RecurrentClassifier
from tests.train.exporting.examples import no_loss

VOCABULARY = tuple("\n abcdefghijklmnop")
CARD = ModelCard(vocabulary=VOCABULARY, unknown=None)
WIDTH = 96
"""Wide enough for a layer's matrices to be rounded."""


def char_lstm(layers: int = 2, head: int = 0) -> CharLSTM:
    torch.manual_seed(1)
    model = CharLSTM(
        CharLSTMConfig(vocabulary=len(VOCABULARY), hidden=WIDTH, layers=layers, head=head)
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


@pytest.mark.parametrize(("layers", "head"), [(1, 0), (2, 0), (3, 512)])
def test_character_model(layers: int, head: int, tmp_path: Path) -> None:
    model = char_lstm(layers, head)
    export(model, CARD, tmp_path / "exact.onnx")
    shown = export(model, CARD, tmp_path / "half.onnx", weights="float16", loss=no_loss)
    assert set(shown) == {"stepwise", "batch", "float16_loss"}
    assert max(shown.values()) < 1e-5
    exact, half = (CharLM.load(tmp_path / f"{name}.onnx") for name in ("exact", "half"))
    assert half.metadata.training["weights"] == "float16"
    steppers = [each._stepper for each in (exact, half)]
    tokens = np.random.default_rng(0).integers(len(VOCABULARY), size=(2, 40))
    expected, found = (each.forward(tokens, each.zeros(2))[0] for each in steppers)
    assert 0 < np.abs(found - expected).max() < 0.02
    assert len(half.generate("abc", length=30, seed=4)) == 30


def test_only_large_matrices_are_float16(tmp_path: Path) -> None:
    model = char_lstm()
    export(model, CARD, tmp_path / "half.onnx", weights="float16", loss=no_loss)
    kinds = {
        each.name: (each.data_type, numpy_helper.to_array(each).size)
        for each in onnx.load(tmp_path / "half.onnx").graph.initializer
    }
    halves = {name for name, (kind, _) in kinds.items() if kind == TensorProto.FLOAT16}
    assert halves == {"lstm0.R.half", "lstm1.W.half", "lstm1.R.half"}
    assert max(size for name, (_, size) in kinds.items() if name not in halves) < 2**15


@pytest.mark.parametrize("cell", ["elman", "gru", "lstm"])
def test_classifier(cell: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    shape: dict[str, Any] = {"cell": cell, "hidden": 192, "embedding": 16, "layers": 2}
    model = RecurrentClassifier(ClassifierConfig(vocabulary=len(VOCABULARY), labels=2, **shape))
    card = ModelCard(vocabulary=VOCABULARY, unknown=2, labels=("x", "y"), log_prior=(-0.7, -0.7))
    export(model, card, tmp_path / "exact.onnx")
    export(model, card, tmp_path / "half.onnx", weights="float16", loss=no_loss)
    exact, half = (Classifier.load(tmp_path / f"{name}.onnx") for name in ("exact", "half"))
    texts = ["abc", "fig", "a", "olive", "mandible", "bad" * 30]
    for one, other in zip(exact.classify(texts), half.classify(texts), strict=True):
        assert abs(one.probability - other.probability) < 0.01


def test_weights_beyond_float16_are_refused(tmp_path: Path) -> None:
    model = char_lstm()
    with torch.no_grad():
        model.layers[1].get_parameter("weight_hh_l0")[0, 0] = 1e5

    def loss(stepper: Stepper) -> float:
        return float(stepper.forward(np.ones((1, 9), np.int64), stepper.zeros(1))[0].sum())

    with pytest.raises(ExportError, match="float16 weights make this model worse"):
        export(model, CARD, tmp_path / "half.onnx", weights="float16", loss=loss)
    assert not (tmp_path / "half.onnx").exists()
