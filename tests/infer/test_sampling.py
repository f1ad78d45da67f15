"""The draw against a slow reference, the graph against numpy, and the uniforms."""

import math
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from rnn_infer import OptionError
from rnn_infer.runtime.stepper import Stepper
from rnn_infer.sampling import MAX_SEED, Sampling, Uniforms, draw, seeds_for

INF, NAN = math.inf, math.nan
BELOW_ONE = 1 - 2**-24
"""The largest float32 below 1."""
NARROW = 1e-4
"""A uniform or a share this close to a boundary may fall to either side of it."""


class OnBoundaryError(Exception):
    """The reference cannot tell: rounding decides."""


def reference(logits: Sequence[float], uniform: float, sampling: Sampling) -> int:
    """The rule of the format page, one number after another, in double precision."""
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
    """The token drawn for one row."""
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
def test_draw_is_the_rule(logits: list[float], uniform: float, sampling: Sampling) -> None:
    try:
        expected = reference(logits, uniform, sampling)
    except OnBoundaryError:
        assume(False)
    row, number = np.array([logits], np.float32), np.array([uniform], np.float32)
    assert draw(row, number, sampling).tolist() == [expected]


@given(st.lists(UNIFORM, min_size=1, max_size=6), SAMPLING, st.integers(0, 2**32 - 1))
def test_rows_are_drawn_alone(uniforms: list[float], sampling: Sampling, seed: int) -> None:
    normal = np.random.default_rng(seed).normal(size=(len(uniforms), 9))
    logits, numbers = np.asarray(normal, np.float32), np.asarray(uniforms, np.float32)
    together = draw(logits, numbers, sampling).tolist()
    assert together == [
        int(draw(logits[i : i + 1], numbers[i : i + 1], sampling)[0]) for i in range(len(numbers))
    ]


def test_shares_are_the_softmax() -> None:
    logits = np.log(np.array([0.1, 0.2, 0.3, 0.4], np.float32))
    uniform = np.asarray((np.arange(10_000) + 0.5) / 10_000, np.float32)
    drawn = draw(np.tile(logits, (10_000, 1)), uniform, Sampling(temperature=1))
    assert np.bincount(drawn) / 10_000 == pytest.approx([0.1, 0.2, 0.3, 0.4], abs=2e-4)


# --- exactly at the edges -------------------------------------------------------------


@pytest.mark.parametrize("width", [2, 4, 8, 64])
def test_uniform_at_a_cumulative_boundary_takes_the_next_token(width: int) -> None:
    for token in range(width):
        share = token / width
        assert one([0.0] * width, share, temperature=1) == token
        below = float(np.nextafter(np.float32(share + 1 / width), np.float32(0)))
        assert one([0.0] * width, below, temperature=1) == token


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000, 20_000])
@pytest.mark.parametrize("uniform", [0.0, BELOW_ONE, 1.0])
def test_extreme_uniforms_stay_inside(size: int, uniform: float, rng: np.random.Generator) -> None:
    """1 itself too, which no generator gives but a rounding caller might."""
    for spread in (0.0, 1.0, 30.0):
        logits = (spread * rng.normal(size=size)).tolist()
        for options in ({}, {"top_k": 1}, {"top_k": 3}, {"top_p": 0.5}, {"top_k": 5, "top_p": 0.9}):
            assert 0 <= one(logits, uniform, temperature=1, **options) < size


def test_a_token_without_weight_is_never_drawn() -> None:
    for uniform in (0.0, 0.3, 0.5, BELOW_ONE):
        assert one([-INF, 0.0, -INF], uniform, temperature=1) == 1
        assert one([-INF, 0.0, -INF], uniform, temperature=1e6) == 1
        assert one([-1e9, 0.0, -1e9], uniform, temperature=1) == 1
        assert one([0.0, 9.0, 0.0], uniform, temperature=1, top_k=1) == 1


@pytest.mark.parametrize("temperature", [0.0, 1e-30, 1e-45, 1e-300])
@pytest.mark.parametrize("uniform", [0.0, 0.5, BELOW_ONE])
def test_coldest_takes_the_maximum(temperature: float, uniform: float) -> None:
    assert one([1.0, 3.0, 2.0], uniform, temperature=temperature) == 1
    assert one([1.0, 1.0000001, 1.0], uniform, temperature=temperature) == 1


@pytest.mark.parametrize("temperature", [0.0, 1e-46, 1e-300])
def test_greedy_takes_the_first_of_equals(temperature: float) -> None:
    """A temperature that float32 cannot tell from 0, as the graph gets it, is 0 here too."""
    for uniform in (0.0, 0.5, BELOW_ONE):
        assert one([1.0, 3.0, 3.0, 3.0], uniform, temperature=temperature) == 1


def test_hottest_makes_all_alike() -> None:
    for token in range(4):
        assert one([9.0, -9.0, 0.0, 5.0], token / 4 + 0.1, temperature=1e6) == token


def test_top_k() -> None:
    logits = [0.0, 1.0, 2.0, 3.0]
    uniforms = np.linspace(0, BELOW_ONE, 101).tolist()
    for k in range(1, 5):
        drawn = {one(logits, u, temperature=5, top_k=k) for u in uniforms}
        assert drawn == set(range(4 - k, 4))
    assert {one(logits, u, temperature=5, top_k=99) for u in uniforms} == {0, 1, 2, 3}


def test_tokens_tied_with_the_last_kept_stay() -> None:
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


def test_top_p_that_is_reached_exactly_takes_no_more() -> None:
    """Where the first token's share is top-p to the last bit, the second is out."""
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
    pytest.fail("no such logits")


def test_top_p_counts_after_top_k() -> None:
    logits = [math.log(each) for each in (0.4, 0.3, 0.2, 0.1)]
    uniforms = np.linspace(0, BELOW_ONE, 201).tolist()
    # Of the first two, 0.4 / 0.7 = 0.57 reaches 0.55 alone, though 0.4 of all does not.
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
def test_logits_that_are_no_numbers_give_token_0(logits: list[float]) -> None:
    for options in (
        {"temperature": 0.0},
        {"temperature": 1.0},
        {"temperature": 1e6, "top_k": 2},
        {"temperature": 1.0, "top_p": 0.5},
        {"temperature": 0.0, "top_k": 1, "top_p": 0.1},
    ):
        for uniform in (0.0, 0.5, BELOW_ONE):
            assert one(logits, uniform, **options) == 0


def test_bad_row_does_not_touch_its_neighbours() -> None:
    logits = np.array([[0, 5, 0], [NAN, 5, 0], [0, 0, 5]], np.float32)
    uniform = np.full(3, 0.5, np.float32)
    assert draw(logits, uniform, Sampling(temperature=0.1, top_k=2)).tolist() == [1, 0, 2]


def test_logits_at_the_ends_of_float32() -> None:
    for uniform in (0.0, 0.5, BELOW_ONE):
        assert one([3e38, -3e38, 0.0], uniform, temperature=1) == 0
        assert one([-3e38, -3e38, 3e38], uniform, temperature=1e-3, top_p=0.9) == 2


def test_arguments_are_left_as_they_were() -> None:
    logits, uniform = np.ones((2, 3), np.float32), np.full(2, 0.5, np.float32)
    before = logits.copy(), uniform.copy()
    draw(logits, uniform, Sampling(temperature=0, top_k=2, top_p=0.5))
    assert np.array_equal(logits, before[0])
    assert np.array_equal(uniform, before[1])


# --- the same in the graph ------------------------------------------------------------

SPECIAL: dict[str, Callable[[int], Sequence[float]]] = {
    "ties": lambda n: [0.0] * n,
    "steps": lambda n: [float(i % 5) for i in range(n)],
    "falling": lambda n: [-0.3 * i for i in range(n)],
    "one": lambda n: [0.0, *[-INF] * (n - 1)],
    "last": lambda n: [*[-INF] * (n - 1), 0.0],
    "none": lambda n: [-INF] * n,
    "nan": lambda n: [NAN] * n,
    "one nan": lambda n: [1.0, NAN, *[0.0] * (n - 2)],
    "inf": lambda n: [0.0, INF, *[0.0] * (n - 2)],
    "huge": lambda n: [3e38, -3e38, *[1e38] * (n - 2)],
}
OPTIONS = [
    Sampling(temperature=1),
    Sampling(temperature=0),
    Sampling(temperature=1e-46),
    Sampling(temperature=1e-30),
    Sampling(temperature=1e6),
    Sampling(temperature=1, top_k=1),
    Sampling(temperature=0.7, top_k=7),
    Sampling(temperature=1, top_k=2**31 - 1),
    Sampling(temperature=1, top_p=1e-30),
    Sampling(temperature=1, top_p=0.6),
    Sampling(temperature=1, top_p=1 - 1e-12),
    Sampling(temperature=2, top_k=9, top_p=0.45),
]
# Off the multiples of 1/41, the boundaries of ties, which float32 rounds; 0 is exact.
EDGES = np.array([0, 2**-24, 0.1, 0.37, 0.5, 0.73, 0.9, BELOW_ONE], np.float32)


@pytest.mark.parametrize("shape", sorted(SPECIAL))
def test_graph_draws_as_numpy_does(edited: Callable[..., Path], shape: str) -> None:
    """On a model whose last layer is replaced by constants, so that any logits can be had."""

    def replace(model: Any) -> None:
        tensors = {each.name: each for each in model.graph.initializer}
        weight, bias = tensors[b"head0.W"], tensors[b"head0.b"]
        weight.raw_data = bytes(len(weight.raw_data))
        size = bias.dims[0]
        bias.raw_data = struct.pack(f"<{size}f", *SPECIAL[shape](size))

    stepper = Stepper.open(edited(replace), device="cpu")
    tokens, state = np.zeros((len(EDGES), 1), np.int64), stepper.zeros(len(EDGES))
    logits = stepper.forward(tokens, state)[0][:, -1]
    for sampling in OPTIONS:
        drawn, _ = stepper.draw(tokens, state, np.stack([EDGES] * 2, 1), sampling)
        expected = draw(logits, EDGES, sampling)
        assert drawn[:, 0].tolist() == drawn[:, 1].tolist() == expected.tolist(), sampling


def test_graph_takes_options_a_row(stepper: Stepper) -> None:
    """What the format offers and `Stepper.draw` does not use: each row its own options."""
    filters = ((0, 1.0), (1, 1.0), (5, 1.0), (0, 0.4), (4, 0.8))
    many = [
        Sampling(temperature=heat, top_k=k, top_p=p) for heat in (0, 0.7, 3) for k, p in filters
    ]
    size = len(many)
    tokens, state = np.full((size, 2), 3), stepper.zeros(size)
    uniform = np.stack([Uniforms(i).take(6) for i in range(size)])
    feed = {"tokens": tokens, "uniform": uniform}
    feed |= {spec.name: each for spec, each in zip(stepper.file.states, state, strict=True)}
    feed["temperature"] = np.array([each.temperature for each in many], np.float32)
    feed["top_k"] = np.array([each.top_k for each in many], np.int64)
    feed["top_p"] = np.array([each.top_p for each in many], np.float32)
    drawn = raw_session(stepper).run(["generated"], feed)[0]
    for row, sampling in enumerate(many):
        alone, _ = stepper.draw(tokens[:1], stepper.zeros(1), uniform[row : row + 1], sampling)
        assert drawn[row].tolist() == alone[0].tolist(), sampling


def raw_session(stepper: Stepper) -> Any:
    return onnxruntime.InferenceSession(stepper.file.data, providers=["CPUExecutionProvider"])


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
def test_option_at_its_bound(options: dict[str, Any]) -> None:
    assert 0 <= one([0.0, 1.0, 2.0], 0.5, **options) < 3


# --- uniforms -------------------------------------------------------------------------

SEEDS = st.integers(0, MAX_SEED - 1)


@given(SEEDS)
@example(0)
@example(MAX_SEED - 1)
def test_uniforms_are_numpys_philox(seed: int) -> None:
    expected = np.random.Generator(np.random.Philox(key=seed)).random(40, dtype=np.float32)
    taken = Uniforms(seed).take(40)
    assert taken.dtype == np.float32
    assert taken.tolist() == expected.tolist()
    assert ((taken >= 0) & (taken < 1)).all()


@given(SEEDS, st.lists(st.integers(0, 21), max_size=8))
def test_chunks_are_one_sequence(seed: int, sizes: list[int]) -> None:
    whole, pieces = Uniforms(seed), Uniforms(seed)
    parts = [pieces.take(size) for size in sizes]
    assert [x for part in parts for x in part.tolist()] == whole.take(sum(sizes)).tolist()
    assert pieces.position == whole.position == sum(sizes)


@given(SEEDS, st.integers(0, 100), st.integers(0, 30))
def test_seek(seed: int, position: int, before: int) -> None:
    expected = Uniforms(seed).take(position + 9)[position:].tolist()
    numbers = Uniforms(seed)
    numbers.take(before)
    numbers.seek(position)
    assert numbers.position == position
    assert numbers.take(9).tolist() == expected
    assert Uniforms(seed, position).take(9).tolist() == expected
    assert numbers.position == position + 9


def test_seek_far() -> None:
    far = 2**63 - 5
    first = Uniforms(3, far).take(20)
    again = Uniforms(3)
    again.seek(far + 10)
    assert again.take(10).tolist() == first[10:].tolist()


def test_seeds_differ() -> None:
    assert len({tuple(Uniforms(seed).take(4).tolist()) for seed in range(200)}) == 200


@pytest.mark.parametrize(
    "seed", [-1, MAX_SEED, 1.0, 0.5, NAN, INF, True, "7", "x", None, [1], np.float32(1)]
)
def test_seed_out_of_range(seed: Any) -> None:
    with pytest.raises(OptionError, match="seed") as caught:
        Uniforms(seed)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("seed", [np.int64(5), np.uint8(5), 5])
def test_seed_of_any_integer_type(seed: Any) -> None:
    numbers = Uniforms(seed)
    assert type(numbers.seed) is int
    assert numbers.take(3).tolist() == Uniforms(5).take(3).tolist()


# --- seeds of a batch -----------------------------------------------------------------


def test_one_seed_counts_up() -> None:
    assert seeds_for(7, 3) == [7, 8, 9]
    assert seeds_for(7, 0) == []


def test_a_seed_each() -> None:
    assert seeds_for([5, 5, 1], 3) == [5, 5, 1]
    assert seeds_for((2**64 - 1,), 1) == [2**64 - 1]


@pytest.mark.parametrize("seeds", [[], [1], [1, 2, 3]])
def test_seeds_of_another_number(seeds: list[int]) -> None:
    with pytest.raises(OptionError, match=f"2 streams need 2 seeds, got {len(seeds)}"):
        seeds_for(seeds, 2)


def test_fresh_seeds() -> None:
    first, second = seeds_for(None, 3), seeds_for(None, 3)
    assert first == [first[0], first[0] + 1, first[0] + 2]
    assert first != second
    assert all(0 <= seed < MAX_SEED for seed in first + second)
