"""What an export refuses, and writes nothing: files untrue to their model, and what can be none."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from rnn_train.errors import RunError
from rnn_train.exporting import sampling
from rnn_train.exporting.graph import Graph
from rnn_train.exporting.layers import LSTMLayer
from rnn_train.exporting.model_file import ModelCard, export
from rnn_train.exporting.traced import TracedLayer
from rnn_train.models.charlm import CharLSTM, CharLSTMConfig
from rnn_train.models.classifier import ClassifierConfig, RecurrentClassifier

VOCABULARY = tuple("\n abcdefghi")
Refused = Callable[[nn.Module, ModelCard, str], None]


def char_lstm() -> CharLSTM:
    return CharLSTM(CharLSTMConfig(vocabulary=len(VOCABULARY), embedding=5, hidden=7, layers=1))


def lm_card(**facts: Any) -> ModelCard:
    return ModelCard(**{"vocabulary": VOCABULARY, "unknown": None} | facts)


def test_swapped_states_fail_the_proof(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    step = LSTMLayer.step

    def swapped(
        self: LSTMLayer, graph: Graph, x: str, kind: int, states: Sequence[str]
    ) -> tuple[str, list[str]]:
        output, (h, c) = step(self, graph, x, kind, states)
        return output, [c, h]

    monkeypatch.setattr(LSTMLayer, "step", swapped)
    refused(char_lstm(), lm_card(), "failed its proof: torch differs by")


def test_wrong_gate_order_fails_the_proof(
    refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = LSTMLayer.__init__

    def reordered(self: LSTMLayer, index: int, lstm: nn.LSTM) -> None:
        other = nn.LSTM(lstm.input_size, lstm.hidden_size, batch_first=True)
        with torch.no_grad():
            for key, value in lstm.named_parameters():
                i, f, g, o = value.chunk(4)
                other.get_parameter(key).copy_(torch.cat([f, i, g, o]))
        name(self, index, other)

    monkeypatch.setattr(LSTMLayer, "__init__", reordered)
    refused(char_lstm(), lm_card(), "failed its proof: torch differs by")


def test_lost_state_fails_the_proof(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    step = TracedLayer.step

    def stuck(
        self: TracedLayer, graph: Graph, x: str, kind: int, states: Sequence[str]
    ) -> tuple[str, list[str]]:
        output, _ = step(self, graph, x, kind, states)
        return output, [graph.add("Identity", each) for each in states]

    monkeypatch.setattr(TracedLayer, "step", stuck)
    shape: dict[str, Any] = {"embedding": 5, "hidden": 6, "pool": False}
    model = RecurrentClassifier(ClassifierConfig(vocabulary=len(VOCABULARY), labels=2, **shape))
    card = lm_card(unknown=3, labels=("x", "y"), end=" ", log_prior=(-0.7, -0.7))
    refused(model, card, "failed its proof: torch differs by")


def test_wrong_draw_fails_the_proof(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    def likeliest(graph: Graph, logits: str, *_: object) -> str:
        return graph.add("ArgMax", logits, axis=1, keepdims=0)

    monkeypatch.setattr(sampling, "_draw", likeliest)
    refused(char_lstm(), lm_card(), "breaks the sampling rule")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers(refused: Refused, bad: float) -> None:
    model = char_lstm()
    with torch.no_grad():
        model.embedding.weight[:, 0] = bad
        model.layers[0].get_parameter("bias_ih_l0").fill_(bad)
    refused(model, lm_card(), r"proof|refuses|number")


@pytest.mark.parametrize(
    "card", [lm_card(start="Z"), lm_card(vocabulary=tuple("aa bcdefghi")), lm_card(unknown=99)]
)
def test_card_that_breaks_the_format(refused: Refused, card: ModelCard) -> None:
    refused(char_lstm(), card, "rnn_infer refuses the exported file: the draft")


def test_unwritable_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="cannot write"):
        export(char_lstm(), lm_card(), tmp_path / "file" / "m.onnx")
