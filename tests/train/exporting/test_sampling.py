"""The sampling rule as ONNX nodes, against the numpy rule of `rnn_infer.sampling`."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rnn_infer import sampling as rule
from rnn_train.exporting.graph import FLOAT, INT64, Graph
from rnn_train.exporting.sampling import SamplingInputs, draw
from tests.train.exporting.examples import operators, run

SIZE = 11


def one_draw(with_if: bool = True) -> Graph:
    """Inputs `logits` and those of sampling → `token`; `masked` and `scale` beside it."""
    graph = Graph("g")
    logits = graph.input("logits", FLOAT, ["batch", SIZE])
    inputs = SamplingInputs.declare(graph, SIZE, 1)
    scale = inputs.scale(graph)
    masked = inputs.masked(graph, inputs.uniform, graph.constant("axis1", [1]))
    options = inputs.filters
    filters = (
        options.prepare(graph) if with_if else options.prepare_without_if(graph, rank_all=True)
    )
    token = draw(graph, logits, masked, scale, filters)
    graph.output(token, INT64, ["batch"])
    graph.output(masked, FLOAT, ["batch", 1])
    graph.output(scale, FLOAT, ["batch", 1])
    return graph


def draw_all(
    logits: NDArray[np.float32], uniform: Any, options: list[rule.Sampling], with_if: bool = True
) -> list[NDArray[Any]]:
    return run(
        one_draw(with_if),
        logits=logits,
        uniform=np.asarray(uniform, np.float32)[:, None],
        temperature=np.array([each.temperature for each in options], np.float32),
        top_k=np.array([each.top_k for each in options]),
        top_p=np.array([each.top_p for each in options], np.float32),
    )


OPTIONS = st.builds(
    rule.Sampling,
    temperature=st.sampled_from([0.0, 0.3, 1.0, 2.0]),
    top_k=st.sampled_from([0, 1, 3, SIZE, 99]),
    top_p=st.sampled_from([1.0, 0.9, 0.5, 0.01]),
)


@settings(deadline=None, max_examples=40)
@given(st.lists(OPTIONS, min_size=1, max_size=5), st.integers(0, 2**32 - 1), st.booleans())
def test_graph_draws_as_numpy_does(options: list[rule.Sampling], seed: int, with_if: bool) -> None:
    """Every row has its own options."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (len(options), SIZE)).astype(np.float32)
    # Uniforms at the middle of a token's share are far from the boundaries, where rounding rules.
    uniform = np.array(
        [_middle(row, each, random) for row, each in zip(logits, options, strict=True)]
    )
    token, *_ = draw_all(logits, uniform, options, with_if)
    expected = [
        rule.draw(logits[i : i + 1], uniform[i : i + 1].astype(np.float32), each)[0]
        for i, each in enumerate(options)
    ]
    np.testing.assert_array_equal(token, expected)


def _middle(logits: NDArray[np.float32], options: rule.Sampling, random: Any) -> float:
    """Pick a uniform that lies in the middle between two changes of the drawn token."""
    grid = np.linspace(0, 1, 400, endpoint=False, dtype=np.float32)
    tokens = rule.draw(np.repeat(logits[None], len(grid), 0), grid, options)
    widths = np.bincount(tokens)
    token = random.choice(np.flatnonzero(widths == widths.max()))
    return float(np.median(grid[tokens == token]))


@pytest.mark.parametrize("with_if", [True, False])
def test_edges_of_the_uniform(with_if: bool) -> None:
    """1 is clipped to the last kept token, and 0 draws the first one."""
    logits = np.zeros((4, SIZE), np.float32)
    logits[2:, 5:] = -1
    plain, top = rule.Sampling(temperature=1.0), rule.Sampling(temperature=1.0, top_k=2)
    token, *_ = draw_all(logits, [0.0, 1.0, 1.0, 0.0], [plain, plain, top, top], with_if)
    # Top-k keeps all tokens that are as likely as the second one.
    assert token.tolist() == [0, SIZE - 1, 4, 0]


def test_temperature_zero_takes_the_most_likely_token() -> None:
    logits = np.zeros((1, SIZE), np.float32)
    logits[0, [3, 7]] = 1
    token, masked, scale = draw_all(logits, [0.99], [rule.Sampling(temperature=0.0)])
    assert token.tolist() == [3]  # the first of two that are equally likely
    assert masked.tolist() == [[0.0]]
    assert np.isfinite(scale).all()


def test_inputs_are_masked_and_scaled() -> None:
    options = [rule.Sampling(temperature=2.0), rule.Sampling(temperature=0.5)]
    _, masked, scale = draw_all(np.zeros((2, SIZE), np.float32), [0.25, 1.5], options)
    assert masked.tolist() == [[0.25], [1 - 2**-24]]
    assert scale.tolist() == [[0.5], [2.0]]


def test_only_the_if_holds_control_flow() -> None:
    assert "If" in operators(one_draw().proto())
    assert "If" not in operators(one_draw(with_if=False).proto())
