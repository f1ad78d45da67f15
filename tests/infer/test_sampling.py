"""Drawing a token: against a slow reference, and at the limits of every option."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from rnn_infer import OptionError
from rnn_infer.sampling import Sampling, draw, with_keywords

INF, NAN = math.inf, math.nan
BELOW_ONE = 1 - 2**-24
"""The largest float32 below 1."""
NARROW = 1e-4
"""A number this close to a boundary may be rounded to either side."""


class OnBoundaryError(Exception):
    """The result depends on rounding, so the reference cannot predict it."""


def reference(logits: Sequence[float], uniform: float, sampling: Sampling) -> int:
    """Return the token by the rule of the format page, in double precision."""
    if sampling.temperature == 0:
        return logits.index(max(logits))
    peak = max(logits)
    weights = [math.exp((each - peak) / sampling.temperature) for each in logits]
    least = least_kept(logits, weights, sampling)
    kept = [w if z >= least else 0.0 for z, w in zip(logits, weights, strict=True)]
    target, reached = uniform * sum(kept), 0.0
    for token, weight in enumerate(kept):
        reached += weight
        if abs(reached - target) < NARROW * sum(kept):
            raise OnBoundaryError
        if reached > target:
            return token
    raise AssertionError("a uniform below 1 passed the last weight")


def least_kept(logits: Sequence[float], weights: Sequence[float], sampling: Sampling) -> float:
    """Return the smallest logit that top-k and top-p keep."""
    ranked = sorted(zip(logits, weights, strict=True), reverse=True)
    ranked = ranked[: sampling.top_k or None]
    limit = sampling.top_p * sum(weight for _, weight in ranked)
    before, least = 0.0, ranked[0][0]
    for logit, weight in ranked:
        if sampling.top_p < 1 and abs(before - limit) < NARROW * limit:
            raise OnBoundaryError
        if sampling.top_p == 1 or before < limit:
            least = logit
        before += weight
    return least


def one(logits: Sequence[float], uniform: float, **options: Any) -> int:
    """Return the token drawn for one row."""
    row, number = np.array([logits], np.float32), np.array([uniform], np.float32)
    tokens = draw(row, number, Sampling(**options))
    assert tokens.shape == (1,)
    assert tokens.dtype == np.int64
    return int(tokens[0])


logit = st.one_of(
    st.floats(-20, 20, width=32),
    st.sampled_from([-1.0, 0.0, 1.0]),  # ties
)
ROWS = st.lists(logit, min_size=1, max_size=12)
UNIFORM = st.floats(0, BELOW_ONE, width=32)
SAMPLING = st.builds(
    Sampling,
    temperature=st.sampled_from([0.0, 0.1, 0.5, 0.8, 1.0, 2.0, 100.0]),
    top_k=st.sampled_from([0, 1, 2, 3, 5, 12, 2**31 - 1]),
    top_p=st.sampled_from([1e-6, 0.1, 0.5, 0.9, 0.999, 1.0]),
)


@given(ROWS, UNIFORM, SAMPLING)
@example([0.0], BELOW_ONE, Sampling(temperature=1))
@example([1.0, 1.0, 0.0], 0.9, Sampling(temperature=1, top_k=1))
def test_draw_follows_the_rule(logits: list[float], uniform: float, sampling: Sampling) -> None:
    try:
        expected = reference(logits, uniform, sampling)
    except OnBoundaryError:
        assume(False)
    row, number = np.array([logits], np.float32), np.array([uniform], np.float32)
    assert draw(row, number, sampling).tolist() == [expected]


@given(st.lists(UNIFORM, min_size=1, max_size=6), SAMPLING, st.integers(0, 2**32 - 1))
def test_rows_do_not_affect_each_other(
    uniforms: list[float], sampling: Sampling, seed: int
) -> None:
    normal = np.random.default_rng(seed).normal(size=(len(uniforms), 9))
    logits, numbers = np.asarray(normal, np.float32), np.asarray(uniforms, np.float32)
    together = draw(logits, numbers, sampling).tolist()
    assert together == [
        int(draw(logits[i : i + 1], numbers[i : i + 1], sampling)[0]) for i in range(len(numbers))
    ]


def test_frequencies_are_the_softmax() -> None:
    logits = np.log(np.array([0.1, 0.2, 0.3, 0.4], np.float32))
    uniform = np.asarray((np.arange(10_000) + 0.5) / 10_000, np.float32)
    drawn = draw(np.tile(logits, (10_000, 1)), uniform, Sampling(temperature=1))
    assert np.bincount(drawn) / 10_000 == pytest.approx([0.1, 0.2, 0.3, 0.4], abs=2e-4)


# --- at the limits --------------------------------------------------------------------


@pytest.mark.parametrize("width", [2, 4, 8, 64])
def test_uniform_at_a_cumulative_boundary_takes_the_next_token(width: int) -> None:
    for token in range(width):
        share = token / width
        assert one([0.0] * width, share, temperature=1) == token
        below = float(np.nextafter(np.float32(share + 1 / width), np.float32(0)))
        assert one([0.0] * width, below, temperature=1) == token


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000, 20_000])
@pytest.mark.parametrize("uniform", [0.0, BELOW_ONE, 1.0])
def test_extreme_uniforms_give_valid_tokens(
    size: int, uniform: float, rng: np.random.Generator
) -> None:
    """Also 1, which no generator returns, but a caller that rounds might pass it."""
    for spread in (0.0, 1.0, 30.0):
        logits = (spread * rng.normal(size=size)).tolist()
        for options in ({}, {"top_k": 1}, {"top_k": 3}, {"top_p": 0.5}, {"top_k": 5, "top_p": 0.9}):
            assert 0 <= one(logits, uniform, temperature=1, **options) < size


def test_token_of_probability_zero_is_never_drawn() -> None:
    for uniform in (0.0, 0.3, 0.5, BELOW_ONE):
        assert one([-INF, 0.0, -INF], uniform, temperature=1) == 1
        assert one([-INF, 0.0, -INF], uniform, temperature=1e6) == 1
        assert one([-1e9, 0.0, -1e9], uniform, temperature=1) == 1
        assert one([0.0, 9.0, 0.0], uniform, temperature=1, top_k=1) == 1


@pytest.mark.parametrize("temperature", [0.0, 1e-30, 1e-45, 1e-300])
@pytest.mark.parametrize("uniform", [0.0, 0.5, BELOW_ONE])
def test_lowest_temperatures_take_the_maximum(temperature: float, uniform: float) -> None:
    assert one([1.0, 3.0, 2.0], uniform, temperature=temperature) == 1
    assert one([1.0, 1.0000001, 1.0], uniform, temperature=temperature) == 1


@pytest.mark.parametrize("temperature", [0.0, 1e-46, 1e-300])
def test_greedy_takes_the_first_of_equal_maxima(temperature: float) -> None:
    """A temperature that is 0 in float32, the type in the graph, is 0 here too."""
    for uniform in (0.0, 0.5, BELOW_ONE):
        assert one([1.0, 3.0, 3.0, 3.0], uniform, temperature=temperature) == 1


def test_highest_temperature_is_uniform() -> None:
    for token in range(4):
        assert one([9.0, -9.0, 0.0, 5.0], token / 4 + 0.1, temperature=1e6) == token


def test_top_k() -> None:
    logits = [0.0, 1.0, 2.0, 3.0]
    uniforms = np.linspace(0, BELOW_ONE, 101).tolist()
    for k in range(1, 5):
        drawn = {one(logits, u, temperature=5, top_k=k) for u in uniforms}
        assert drawn == set(range(4 - k, 4))
    assert {one(logits, u, temperature=5, top_k=99) for u in uniforms} == {0, 1, 2, 3}


def test_ties_with_the_last_kept_token_are_kept() -> None:
    uniforms = np.linspace(0, BELOW_ONE, 101).tolist()
    ties = [1.0, 5.0, 1.0, 0.0, 1.0]
    assert {one(ties, u, temperature=9, top_k=2) for u in uniforms} == {0, 1, 2, 4}
    assert {one([0.0] * 4, u, temperature=1, top_p=0.3) for u in uniforms} == {0, 1, 2, 3}


def test_top_p() -> None:
    shares = [0.5, 0.3, 0.15, 0.05]
    logits = [math.log(each) for each in shares]
    uniforms = np.linspace(0, BELOW_ONE, 201).tolist()
    for top_p, kept in ((1e-30, 1), (0.49, 1), (0.51, 2), (0.79, 2), (0.81, 3), (0.96, 4), (1, 4)):
        drawn = {one(logits, u, temperature=1, top_p=top_p) for u in uniforms}
        assert drawn == set(range(kept)), top_p


def test_top_p_reached_exactly() -> None:
    """If the first token's probability equals top-p exactly, the second is left out."""
    for step in range(1, 1000):
        logits = [0.0, -step / 256]
        weights = np.exp(np.array(logits, np.float32))
        total = weights.cumsum(dtype=np.float32)[-1]
        top_p = np.float32(1) / total
        if top_p * total == 1:
            assert one(logits, BELOW_ONE, temperature=1, top_p=float(top_p)) == 0
            above = float(np.nextafter(top_p, np.float32(1)))
            assert one(logits, BELOW_ONE, temperature=1, top_p=above) == 1
            return
    pytest.fail("no logits meet the condition")


def test_top_p_is_applied_after_top_k() -> None:
    logits = [math.log(each) for each in (0.4, 0.3, 0.2, 0.1)]
    uniforms = np.linspace(0, BELOW_ONE, 201).tolist()
    # Among the first two, the first has 0.4 / 0.7 = 0.57 and reaches 0.55. Among all it has 0.4.
    drawn = {one(logits, u, temperature=1, top_k=2, top_p=0.55) for u in uniforms}
    assert drawn == {0}


@pytest.mark.parametrize(
    "logits",
    [
        [NAN, 1.0, 2.0],
        [2.0, 1.0, NAN],
        [NAN] * 3,
        [-INF] * 3,
        [1.0, INF, 2.0],
        [INF, INF, INF],
        [-INF, NAN, INF],
    ],
)
def test_nan_and_infinity_give_token_0(logits: list[float]) -> None:
    for options in (
        {"temperature": 0.0},
        {"temperature": 1.0},
        {"temperature": 1e6, "top_k": 2},
        {"temperature": 1.0, "top_p": 0.5},
        {"temperature": 0.0, "top_k": 1, "top_p": 0.1},
    ):
        for uniform in (0.0, 0.5, BELOW_ONE):
            assert one(logits, uniform, **options) == 0


def test_bad_row_does_not_affect_other_rows() -> None:
    logits = np.array([[0, 5, 0], [NAN, 5, 0], [0, 0, 5]], np.float32)
    uniform = np.full(3, 0.5, np.float32)
    assert draw(logits, uniform, Sampling(temperature=0.1, top_k=2)).tolist() == [1, 0, 2]


def test_largest_float32_logits() -> None:
    for uniform in (0.0, 0.5, BELOW_ONE):
        assert one([3e38, -3e38, 0.0], uniform, temperature=1) == 0
        assert one([-3e38, -3e38, 3e38], uniform, temperature=1e-3, top_p=0.9) == 2


def test_arguments_are_not_changed() -> None:
    logits, uniform = np.ones((2, 3), np.float32), np.full(2, 0.5, np.float32)
    before = logits.copy(), uniform.copy()
    draw(logits, uniform, Sampling(temperature=0, top_k=2, top_p=0.5))
    assert np.array_equal(logits, before[0])
    assert np.array_equal(uniform, before[1])


# --- options --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": -0.1},
        {"temperature": 1.1e6},
        {"temperature": NAN},
        {"temperature": INF},
        {"temperature": -INF},
        {"top_k": -1},
        {"top_k": 2**31},
        {"top_k": 1.0},
        {"top_k": 1.5},
        {"top_k": NAN},
        {"top_k": INF},
        {"top_k": "5"},
        {"top_k": None},
        {"top_k": True},
        {"top_p": 0},
        {"top_p": -0.1},
        {"top_p": 1.0000001},
        {"top_p": NAN},
        {"top_p": INF},
    ],
)
def test_option_out_of_range(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=next(iter(options))) as caught:
        Sampling(**options)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0},
        {"temperature": 1e6},
        {"temperature": np.float64(0.5)},
        {"top_k": 0},
        {"top_k": np.int64(3)},
        {"top_k": 2**31 - 1},
        {"top_p": 1},
        {"top_p": 1e-300},
    ],
)
def test_option_at_its_limit(options: dict[str, Any]) -> None:
    assert 0 <= one([0.0, 1.0, 2.0], 0.5, **options) < 3


def test_keyword_replaces_a_field() -> None:
    sampling = Sampling(temperature=0.5, top_k=3, top_p=0.9)
    assert with_keywords(sampling, {}) == sampling
    assert with_keywords(sampling, {"top_k": 0}) == Sampling(temperature=0.5, top_p=0.9)
    assert with_keywords(None, {"temperature": 0}) == Sampling(temperature=0)
    assert with_keywords(None, {}) == Sampling()
    with pytest.raises(OptionError, match="top_p"):
        with_keywords(sampling, {"top_p": 2})
    with pytest.raises(TypeError, match="heat"):
        with_keywords(sampling, {"heat": 2})  # type: ignore[typeddict-unknown-key]
