"""A fixed number of steps without control flow."""

from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from rnn_infer import contract
from rnn_infer.sampling import Sampling, draw
from rnn_train.exporting.graph import Graph
from rnn_train.exporting.model_graph import build_graph
from rnn_train.exporting.variants import Variant
from rnn_train.models.charlm import CharLSTM
from tests.train.exporting.examples import (
    char_lstm,
    operators,
    run,
    shaken,
    some_tokens,
    torch_logits,
)

STATES = ("h0", "c0")
CONTROL_FLOW = {"Loop", "Scan", "If", "Shape", "Reshape"}


@pytest.fixture
def model() -> CharLSTM:
    return shaken(char_lstm(), 0.5).eval()


def unrolled(model: CharLSTM, steps: int, step_only: bool = False) -> Graph:
    return build_graph(model, 1.0, Variant(steps=steps, step_only=step_only))


def call(graph: Graph, tokens: NDArray[np.int64], **options: Any) -> list[NDArray[Any]]:
    """Run from the zero state."""
    zeros = {name: np.zeros((len(tokens), 7), np.float32) for name in STATES}
    return run(graph, tokens=tokens, **zeros, **options)


def sampling(batch: int, steps: int) -> dict[str, Any]:
    return {
        "uniform": np.random.default_rng(1).random((batch, steps), np.float32),
        "temperature": np.full(batch, 0.9, np.float32),
        "top_k": np.full(batch, 4),
        "top_p": np.full(batch, 0.8, np.float32),
    }


def test_no_value_is_without_axes(model: CharLSTM) -> None:
    graph = unrolled(model, 4, step_only=True).model(18, 8, {})
    values = onnx.shape_inference.infer_shapes(graph).graph.value_info
    assert values
    assert all(each.type.tensor_type.shape.dim for each in values)


@pytest.mark.parametrize("steps", [1, 4])
def test_steps_are_the_torch_model(model: CharLSTM, steps: int) -> None:
    tokens = some_tokens(3, steps)
    graph = unrolled(model, steps, step_only=True)
    logits, *_ = call(graph, tokens)
    np.testing.assert_allclose(logits, torch_logits(model, tokens), atol=1e-5)
    assert not operators(graph.proto()) & CONTROL_FLOW


def test_steps_that_are_left_out_keep_the_state(model: CharLSTM) -> None:
    tokens = some_tokens(3, 4)
    tokens[:, 2:] = contract.NO_STEP
    _, *after = call(unrolled(model, 4, step_only=True), tokens)
    _, *expected = call(unrolled(model, 2, step_only=True), tokens[:, :2])
    for ours, theirs in zip(after, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_step_may_read_what_was_drawn_before_it(model: CharLSTM) -> None:
    """Two given tokens, then two steps that read the drawn ones."""
    tokens, options = some_tokens(3, 4), sampling(3, 4)
    tokens[:, 2:] = contract.DRAWN
    graph = unrolled(model, 4)
    assert not operators(graph.proto()) & CONTROL_FLOW
    *_, drawn = call(graph, tokens, **options)
    read = np.concatenate([tokens[:, :2], drawn[:, 1:3]], 1)
    logits = torch_logits(model, read)
    rule = Sampling(temperature=0.9, top_k=4, top_p=0.8)
    for step in range(4):
        expected = draw(logits[:, step], options["uniform"][:, step], rule)
        np.testing.assert_array_equal(drawn[:, step], expected)
