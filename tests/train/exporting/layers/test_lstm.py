"""LSTM layers as ONNX nodes, against `nn.LSTM`."""

import numpy as np
import pytest
import torch
from torch import nn

from rnn_train.exporting.graph import FLOAT, INT32, Graph
from rnn_train.exporting.layers.lstm import IntegerLSTMLayer, LSTMLayer, lstm_layer
from rnn_train.exporting.products import Weights, products_of
from tests.train.exporting.examples import operators, run, shaken

BATCH, TIME, IN, WIDTH = 3, 5, 4, 6


def nodes(layer: LSTMLayer, whole: bool, capturable: bool = False) -> Graph:
    """Add a whole sequence, or one step."""
    graph = Graph("g", capturable=capturable)
    time = ["time"] if whole else []
    x = graph.input("x", FLOAT, [*time, "batch", layer.input])
    states = [graph.input(name, FLOAT, ["batch", layer.output]) for name in "hc"]
    if whole:
        sizes = graph.add("Shape", x, start=0, end=2)
        output, after = layer.sequence(graph, x, sizes, states)
        graph.output(output, FLOAT, ["time", "batch", layer.output])
    else:
        _, after = layer.advance(graph, x, states)
    for value in after:
        graph.output(value, FLOAT, ["batch", layer.output])
    return graph


def feed(lstm: nn.LSTM) -> dict[str, torch.Tensor]:
    torch.manual_seed(2)
    x = torch.rand(TIME, BATCH, lstm.input_size) * 2 - 1
    h, c = torch.rand(2, BATCH, lstm.hidden_size)
    return {"x": x, "h": h, "c": c}


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("capturable", [False, True])
def test_step_and_sequence_are_torchs(index: int, capturable: bool) -> None:
    lstm = shaken(nn.LSTM(IN, WIDTH))
    layer = lstm_layer(index, lstm, products_of("float32"))
    given = feed(lstm)
    with torch.inference_mode():
        expected, (h, c) = lstm(given["x"], (given["h"][None], given["c"][None]))
    arrays = {name: value.numpy() for name, value in given.items()}
    outputs, h_last, c_last = run(nodes(layer, whole=True), **arrays)
    np.testing.assert_allclose(outputs, expected.numpy(), atol=1e-5)
    np.testing.assert_allclose(h_last, h[0].numpy(), atol=1e-5)
    np.testing.assert_allclose(c_last, c[0].numpy(), atol=1e-5)
    first = arrays | {"x": arrays["x"][0]}
    h_next, _ = run(nodes(layer, whole=False, capturable=capturable), **first)
    np.testing.assert_allclose(h_next, expected[0].numpy(), atol=1e-5)
    assert layer.states == {f"h{index}": WIDTH, f"c{index}": WIDTH}


def test_table_is_the_projected_embedding() -> None:
    lstm, embedding = shaken(nn.LSTM(IN, WIDTH)), torch.randn(7, IN)
    layer = lstm_layer(0, lstm, products_of("float32"))
    graph = Graph("g")
    graph.output(layer.project(graph, graph.input("x", FLOAT, ["n", IN])), FLOAT, ["n", 4 * WIDTH])
    (projected,) = run(graph, x=embedding.numpy())
    np.testing.assert_allclose(layer.table(embedding), projected, atol=1e-5)


@pytest.mark.parametrize("width", [WIDTH, 40])
@pytest.mark.parametrize("batch", [1, BATCH])
def test_products_by_activation_give_the_bits_of_one_product(width: int, batch: int) -> None:
    """A graph of fixed steps has one product of all gates."""
    layer = lstm_layer(0, shaken(nn.LSTM(IN, width)), products_of("float32"))
    given = {
        name: value.numpy()[..., :batch, :] for name, value in feed(nn.LSTM(IN, width)).items()
    }
    first = given | {"x": given["x"][0]}
    parts, whole = (nodes(layer, whole=False, capturable=each) for each in (False, True))
    for one, other in zip(run(parts, **first), run(whole, **first), strict=True):
        np.testing.assert_array_equal(one, other)
    # Each product of the state is followed by the activation of all that it gives.
    sums = [node.output[0] for node in parts.proto().node if node.op_type == "Gemm"][1:]
    read = {node.input[0]: node.op_type for node in parts.proto().node}
    assert [read[each] for each in sums] == ["Sigmoid", "Tanh"]


LARGE = 96
"""Large enough for both matrices to be rounded."""


@pytest.mark.parametrize(
    ("index", "weights", "inputs", "kind"),
    [
        (1, "int8", LARGE, IntegerLSTMLayer),
        (0, "int8", LARGE, LSTMLayer),
        (1, "float16", LARGE, LSTMLayer),
        (1, "int8", IN, LSTMLayer),
    ],
)
def test_which_layers_add_integers(
    index: int, weights: Weights, inputs: int, kind: type[LSTMLayer]
) -> None:
    layer = lstm_layer(index, nn.LSTM(inputs, LARGE), products_of(weights))
    assert type(layer) is kind
    assert layer.projected_type == (INT32 if kind is IntegerLSTMLayer else FLOAT)


def test_integer_step_and_sequence_are_bit_equal_and_near_torch() -> None:
    lstm = shaken(nn.LSTM(LARGE, LARGE), 0.05)
    layer = lstm_layer(1, lstm, products_of("int8"))
    given = feed(lstm)
    with torch.inference_mode():
        expected, _ = lstm(given["x"], (given["h"][None], given["c"][None]))
    arrays = {name: value.numpy() for name, value in given.items()}
    outputs, *last = run(nodes(layer, whole=True), **arrays)
    assert np.abs(outputs - expected.numpy()).max() < 0.05
    step = nodes(layer, whole=False)
    h, c = arrays["h"], arrays["c"]
    for x in arrays["x"]:
        h, c = run(step, x=x, h=h, c=c)
    np.testing.assert_array_equal(h, last[0])
    np.testing.assert_array_equal(c, last[1])
    # One product does the work of two.
    assert [node.op_type for node in step.proto().node].count("MatMulInteger") == 1
    assert "Gemm" not in operators(step.proto())
