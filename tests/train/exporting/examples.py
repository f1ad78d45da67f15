"""Small models, their cards, and helpers that look into the files made of them."""

from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import nn

from rnn_infer.runtime.stepper import Stepper
from rnn_train.exporting.graph import Graph
from rnn_train.exporting.metadata import ModelCard
from rnn_train.models.charlm import CharLSTM, CharLSTMConfig
from rnn_train.models.classifier import ClassifierConfig, RecurrentClassifier

VOCABULARY = tuple("\n abcdefghi")
LABELS = ("no", "perhaps", "yes")
M = TypeVar("M", bound=nn.Module)
HIDDEN = {"charlm": 7, "classifier": 6}
"""Width of the recurrent layers of the example models."""


def char_lstm(**shape: Any) -> CharLSTM:
    chosen = {
        "vocabulary": len(VOCABULARY),
        "embedding": 5,
        "hidden": HIDDEN["charlm"],
        "layers": 1,
    }
    return CharLSTM(CharLSTMConfig(**chosen | shape))


def classifier(**shape: Any) -> RecurrentClassifier:
    chosen: dict[str, Any] = {"vocabulary": len(VOCABULARY), "labels": len(LABELS)}
    chosen |= {"embedding": 5, "hidden": HIDDEN["classifier"], "pool": False} | shape
    return RecurrentClassifier(ClassifierConfig(**chosen))


def lm_card(**facts: Any) -> ModelCard:
    return ModelCard(**{"vocabulary": VOCABULARY, "unknown": None} | facts)


def classifier_card(**facts: Any) -> ModelCard:
    chosen: dict[str, Any] = {"vocabulary": VOCABULARY, "unknown": 3, "normalization": "NFC"}
    chosen |= {"labels": LABELS, "begin": "\n", "end": " ", "log_prior": (-1.0, -1.1, -1.2)}
    return ModelCard(**chosen | facts)


def no_loss(_: Stepper) -> float:
    """Stands for the measured loss: random weights have none that is worth measuring."""
    return 0.0


@torch.no_grad()
def shaken(model: M, size: float = 0.2) -> M:
    """Change all parameters at random: a bias of zero would hide mistakes."""
    for parameter in model.parameters():
        parameter.add_(size * torch.randn_like(parameter))
    return model


def some_tokens(batch: int, time: int, count: int = len(VOCABULARY)) -> NDArray[np.int64]:
    return np.random.default_rng(5).integers(count, size=(batch, time))


def torch_logits(model: nn.Module, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
    """Logits of the torch model, from the zero state."""
    with torch.inference_mode():
        logits, _ = model(torch.from_numpy(tokens), model.zeros(len(tokens)))  # type: ignore[operator]
    return np.asarray(logits.numpy())


def run(graph: Graph, **feed: NDArray[Any]) -> list[NDArray[Any]]:
    """Check a graph with the onnx checker, and run it."""
    model = graph.model(18, 8, {})
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    outputs: list[NDArray[Any]] = session.run(None, feed)
    return outputs


def graphs(graph: onnx.GraphProto) -> list[onnx.GraphProto]:
    """Return a graph and all graphs inside it."""
    found = [graph]
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                found += graphs(attribute.g)
    return found


def operators(graph: onnx.GraphProto) -> set[str]:
    """Return the operators of a graph and of all graphs inside it."""
    return {node.op_type for each in graphs(graph) for node in each.node}


def initializers(path: Path) -> dict[str, NDArray[Any]]:
    """Return the weights of a file."""
    stored = onnx.load(path).graph.initializer
    return {each.name: onnx.numpy_helper.to_array(each) for each in stored}
