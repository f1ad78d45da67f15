"""A model's nodes: single steps and a whole sequence, against the torch model."""

from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch

from rnn_train.exporting import network as module
from rnn_train.exporting.graph import FLOAT, INT64, Graph
from rnn_train.exporting.network import Network
from rnn_train.exporting.products import products_of
from rnn_train.models.charlm import CharLSTM
from rnn_train.models.classifier import RecurrentClassifier
from tests.train.exporting.examples import (
    VOCABULARY,
    char_lstm,
    classifier,
    run,
    shaken,
    some_tokens,
)

Model = CharLSTM | RecurrentClassifier
MODELS: dict[str, Callable[[], Model]] = {
    "lstm": lambda: char_lstm(layers=2),
    "head": lambda: char_lstm(head=4),
    "skip": lambda: char_lstm(layers=3, skip=True),
    "pool": lambda: classifier(cell="gru", pool=True),
}


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> Model:
    return shaken(MODELS[request.param]()).eval()


def inputs(network: Network, tokens: list[str | int]) -> tuple[Graph, str, list[str]]:
    graph = Graph("g")
    x = graph.input("tokens", INT64, tokens)
    states = [graph.input(name, FLOAT, ["batch", w]) for name, w in network.states.items()]
    return graph, x, states


def outputs(graph: Graph, network: Network, logits: str, after: list[str], dims: Any) -> None:
    graph.output(logits, FLOAT, [*dims, network.outputs])
    for value, width in zip(after, network.states.values(), strict=True):
        graph.output(value, FLOAT, ["batch", width])


@pytest.mark.parametrize("limit", [0, module.MAX_TABLE])
@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_sequence_and_steps_are_the_torch_model(
    model: Model, temperature: float, limit: int
) -> None:
    tokens = some_tokens(3, 6)
    with torch.inference_mode():
        logits, last = model(torch.from_numpy(tokens), model.zeros(3))
    expected = logits.numpy() / temperature

    with mock.patch.object(module, "MAX_TABLE", limit):
        network = Network(model, temperature, products_of("float32"))
        whole, x, states = inputs(network, ["time", "batch"])
        outputs(whole, network, *network.sequence(whole, x, states), ["time", "batch"])
        step, x, states = inputs(network, ["batch"])
        stepped = network.step(step, network.look_up(step, x), states)
        outputs(step, network, *stepped, ["batch"])

    zeros = {name: np.zeros((3, w), np.float32) for name, w in network.states.items()}
    found, *after = run(whole, tokens=tokens.T.copy(), **zeros)
    np.testing.assert_allclose(found, expected.swapaxes(0, 1), atol=1e-5)
    now = zeros
    for t, column in enumerate(tokens.T):
        found, *after = run(step, tokens=column.copy(), **now)
        now = dict(zip(network.states, after, strict=True))
        np.testing.assert_allclose(found, expected[:, t], atol=1e-5)
    for ours, theirs in zip(after, last, strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-5)


def test_sizes() -> None:
    network = Network(char_lstm(layers=2), 1.0, products_of("float32"))
    assert network.states == {"h0": 7, "c0": 7, "h1": 7, "c1": 7}
    assert network.outputs == len(VOCABULARY)
    assert network.row_width == 4 * 7
    with mock.patch.object(module, "MAX_TABLE", 0):
        assert network.row_width == 5


def test_a_table_at_the_limit_is_folded() -> None:
    network = Network(char_lstm(), 1.0, products_of("float32"))
    size = len(VOCABULARY) * 4 * 7
    for limit, width in ((size, 4 * 7), (size - 1, 5)):
        with mock.patch.object(module, "MAX_TABLE", limit):
            assert network.row_width == width
