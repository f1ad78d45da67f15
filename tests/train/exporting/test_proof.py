"""Exports that fail their proof: nothing is written, and the message names the reason."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import rnn_infer
from rnn_infer.contract import Golden
from rnn_train.errors import ExportError, RunError
from rnn_train.exporting import generation, proof
from rnn_train.exporting.graph import Graph
from rnn_train.exporting.layers.layer import Stepped
from rnn_train.exporting.layers.lstm import LSTMLayer
from rnn_train.exporting.layers.traced import TracedLayer
from rnn_train.exporting.model_file import ModelCard, export
from rnn_train.exporting.products import Products
from rnn_train.models.classifier import ClassifierConfig, RecurrentClassifier
from tests.train.exporting.examples import (
    VOCABULARY,
    M,
    char_lstm,
    classifier,
    classifier_card,
    lm_card,
    shaken,
)

Refused = Callable[[nn.Module, ModelCard, str], None]


def _scaled(model: M, factor: float) -> M:
    """A model whose weights are as large as a high learning rate makes them."""
    shaken(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(factor)
    return model


def test_swapped_states_fail_the_proof(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    apply_gates = LSTMLayer._apply_gates

    def swapped(self: LSTMLayer, graph: Graph, gates: Sequence[str], c: str) -> Stepped:
        output, (h, c) = apply_gates(self, graph, gates, c)
        return output, [c, h]

    monkeypatch.setattr(LSTMLayer, "_apply_gates", swapped)
    refused(char_lstm(), lm_card(), "failed its proof: torch differs by")


def test_wrong_gate_order_fails_the_proof(
    refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = LSTMLayer.__init__

    def reordered(self: LSTMLayer, index: int, lstm: nn.LSTM, products: Products) -> None:
        other = nn.LSTM(lstm.input_size, lstm.hidden_size, batch_first=True)
        with torch.no_grad():
            for key, value in lstm.named_parameters():
                i, f, g, o = value.chunk(4)
                other.get_parameter(key).copy_(torch.cat([f, i, g, o]))
        plain(self, index, other, products)

    monkeypatch.setattr(LSTMLayer, "__init__", reordered)
    refused(char_lstm(), lm_card(), "failed its proof: torch differs by")


def test_lost_state_fails_the_proof(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    step = TracedLayer.step

    def stuck(self: TracedLayer, graph: Graph, x: str, states: Sequence[str]) -> Stepped:
        output, _ = step(self, graph, x, states)
        return output, [graph.add("Identity", each) for each in states]

    monkeypatch.setattr(TracedLayer, "step", stuck)
    shape: dict[str, Any] = {"cell": "gru", "embedding": 5, "hidden": 6, "pool": False}
    model = RecurrentClassifier(ClassifierConfig(vocabulary=len(VOCABULARY), labels=2, **shape))
    card = lm_card(unknown=3, labels=("x", "y"), end=" ", log_prior=(-0.7, -0.7))
    refused(model, card, "failed its proof: torch differs by")


@pytest.mark.parametrize("temperature", [1.0, 0.05])
@pytest.mark.parametrize("factor", [1.0, 4.0])
def test_one_wrong_weight_fails_the_proof_at_any_size(
    refused: Refused, monkeypatch: pytest.MonkeyPatch, factor: float, temperature: float
) -> None:
    """The right file passes, whose logits may be in the hundreds."""
    model, card = _scaled(char_lstm(), factor), lm_card(temperature=temperature)
    plain = LSTMLayer.__init__

    def off(self: LSTMLayer, index: int, lstm: nn.LSTM, products: Products) -> None:
        other = copy.deepcopy(lstm)
        with torch.no_grad():
            weight = other.get_parameter("weight_hh_l0").view(-1)
            weight[weight.abs().argmax()] *= 1.01
        plain(self, index, other, products)

    with monkeypatch.context() as patch:
        patch.setattr(LSTMLayer, "__init__", off)
        refused(model, card, "failed its proof: torch differs by")
    assert set(export(model, card, Path("right.onnx"))) == {"torch", "stepwise", "batch"}


@pytest.mark.parametrize("cell", ["elman", "gru", "lstm", "mingru"])
def test_a_low_temperature_is_no_fault(cell: str) -> None:
    model = _scaled(classifier(cell=cell), 3.0)
    figures = export(model, classifier_card(temperature=0.05), Path("m.onnx"))
    assert figures["torch"] > 1e-5, "the logits are large"
    golden = rnn_infer.load("m.onnx").metadata.golden
    assert golden.tolerance is not None
    assert golden.tolerance == pytest.approx(1e-4 * max(map(abs, golden.logits)), rel=0.1)


def test_tolerance_of_the_recorded_run() -> None:
    golden = Golden((0,), (-2.0, 3.0), (), (), 1e-3)
    assert proof.golden_tolerance(golden, {"torch": 1e-6}) == 1e-3
    assert proof.golden_tolerance(golden, {"torch": 0.02}) == 0.2, "the model amplifies rounding"
    large = replace(golden, logits=(40.0, -200.0))
    assert proof.golden_tolerance(large, {"stepwise": 0.0}) == 0.02


def test_wrong_draw_fails_the_proof(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    def likeliest(graph: Graph, logits: str, *_: object) -> str:
        return graph.add("ArgMax", logits, axis=1, keepdims=0)

    monkeypatch.setattr(generation, "draw", likeliest)
    refused(char_lstm(), lm_card(), "breaks the sampling rule")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(refused: Refused, bad: float) -> None:
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


def test_path_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="cannot write"):
        export(char_lstm(), lm_card(), tmp_path / "file" / "m.onnx")


def test_record_is_repeatable(tmp_path: Path) -> None:
    export(char_lstm(), lm_card(), tmp_path / "m.onnx")
    data = (tmp_path / "m.onnx").read_bytes()
    with proof.opened(data) as one, proof.opened(data) as other:
        golden = proof.record(one)
        assert proof.record(other) == golden
    assert len(golden.tokens) == len(golden.uniform) == len(golden.generated) == 16


def test_bytes_that_are_no_model_are_refused() -> None:
    refused = pytest.raises(ExportError, match="rnn_infer refuses the exported file")
    with refused, proof.opened(b"no model"):
        pass


@pytest.mark.parametrize("cost", [proof.MAX_ROUNDING_LOSS * 1.1, float("nan")])
def test_rounding_that_costs_too_much_is_refused(cost: float, tmp_path: Path) -> None:
    export(char_lstm(), lm_card(), tmp_path / "m.onnx")
    losses = iter((2.0 + cost, 2.0))
    refused = pytest.raises(ExportError, match="int8 weights make this model worse")
    with proof.opened((tmp_path / "m.onnx").read_bytes()) as stepper, refused:
        proof.prove_rounded(stepper, stepper, lambda _: next(losses), "int8")
