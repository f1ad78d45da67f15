"""A classifier's graph: logits at all times, at the end alone, or of one row."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from rnn_train.exporting.model_graph import build_graph
from rnn_train.exporting.variants import Variant
from tests.train.exporting.examples import (
    LABELS,
    VOCABULARY,
    classifier,
    operators,
    shaken,
    some_tokens,
)

SHAPES: dict[str, dict[str, Any]] = {
    "plain": {"pool": True},
    "gru": {"pool": True, "cell": "gru"},
    "without a pool": {},
    "n-grams": {"pool": True, "ngrams": 3, "evidence": 2, "ngram_rows": 64, "ngram_width": 3},
    "bag": {"pool": True, "ngrams": 3, "ngram_rows": 64, "ngram_width": 3, "bag": True},
    "two layers": {"pool": True, "layers": 2, "cell": "mingru"},
}
BATCH, TIME = 4, 6
States = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Run:
    """What a call gives."""

    logits: NDArray[np.float32]
    states: States


Session = Callable[[NDArray[np.int64], States | None], Run]


@pytest.fixture(scope="module", params=SHAPES)
def session(request: pytest.FixtureRequest) -> Session:
    model = shaken(classifier(**SHAPES[request.param])).eval()
    return opened(build_graph(model, 1.0, Variant()).model(18, 8, {}).SerializeToString())


def opened(data: bytes) -> Session:
    own = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    widths = {each.name: each.shape[1] for each in own.get_inputs() if each.name != "tokens"}

    def run(tokens: NDArray[np.int64], states: States | None = None) -> Run:
        zeros = {name: np.zeros((len(tokens), width), np.float32) for name, width in widths.items()}
        names = ["logits", *(f"{name}_next" for name in widths)]
        logits, *after = own.run(names, {"tokens": tokens, **(states or zeros)})
        return Run(logits, dict(zip(widths, after, strict=True)))

    return run


def shifted(tokens: NDArray[np.int64], *times: int) -> NDArray[np.int64]:
    """Ask for fewer logits."""
    tokens = tokens.copy()
    tokens[0, list(times)] -= len(VOCABULARY)
    return tokens


def same_states(one: States, other: States) -> None:
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name])


def test_the_last_logits_have_the_bits_of_all(session: Session) -> None:
    tokens = some_tokens(BATCH, TIME)
    every, last = session(tokens, None), session(shifted(tokens, 0), None)
    assert every.logits.shape == (BATCH, TIME, len(LABELS))
    assert last.logits.shape == (BATCH, 1, len(LABELS))
    np.testing.assert_array_equal(last.logits[:, 0], every.logits[:, -1])
    same_states(last.states, every.states)


def test_no_logits_wanted(session: Session) -> None:
    tokens = some_tokens(BATCH, TIME)
    every, none = session(tokens, None), session(shifted(tokens, 0, -1), None)
    assert none.logits.shape == (1, 1, len(LABELS))
    same_states(none.states, every.states)


def test_a_single_token(session: Session) -> None:
    tokens = some_tokens(BATCH, 1)
    every, none = session(tokens, None), session(shifted(tokens, 0), None)
    assert every.logits.shape == (BATCH, 1, len(LABELS))
    assert none.logits.shape == (1, 1, len(LABELS))
    same_states(none.states, every.states)


def test_pieces_have_the_bits_of_the_whole(session: Session) -> None:
    tokens = some_tokens(BATCH, TIME)
    states = None
    for begin, end in ((0, 1), (1, 4)):
        piece = tokens[:, begin:end]
        states = session(shifted(piece, 0, -1), states).states
    last, every = session(shifted(tokens[:, 4:], 0), states), session(tokens, None)
    np.testing.assert_array_equal(last.logits[:, 0], every.logits[:, -1])
    same_states(last.states, every.states)


def test_a_row_alone_has_the_bits_of_its_batch(session: Session) -> None:
    tokens = some_tokens(BATCH, TIME)
    together = session(shifted(tokens, 0), None).logits
    alone = [session(shifted(row[None], 0), None).logits for row in tokens]
    np.testing.assert_array_equal(np.concatenate(alone), together)


def test_the_same_in_int8() -> None:
    """Its tables and matrices are large enough to be rounded."""
    shape = {"pool": True, "hidden": 256, "bag": True, "ngrams": 3, "ngram_rows": 8192}
    model = shaken(classifier(**shape, ngram_width=64), 0.05).eval()
    graph = build_graph(model, 1.0, Variant(weights="int8"))
    assert "MatMulInteger" in operators(graph.proto())
    run, tokens = opened(graph.model(18, 8, {}).SerializeToString()), some_tokens(BATCH, TIME)
    every, last = run(tokens, None), run(shifted(tokens, 0), None)
    np.testing.assert_array_equal(last.logits[:, 0], every.logits[:, -1])
    same_states(last.states, every.states)
    with_float = opened(build_graph(model, 1.0, Variant()).model(18, 8, {}).SerializeToString())
    exact = with_float(tokens, None).logits
    assert np.abs(every.logits - exact).max() < 0.1 * np.abs(exact).max()


@pytest.mark.parametrize("variant", [Variant(without_if=True), Variant(steps=2)])
def test_variants_without_if(variant: Variant) -> None:
    model = shaken(classifier(pool=True)).eval()
    assert "If" not in operators(build_graph(model, 1.0, variant).proto())
