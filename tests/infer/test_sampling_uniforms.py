"""The random numbers of a stream, and the seeds of a batch."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rnn_infer import OptionError
from rnn_infer.sampling import MAX_SEED, Uniforms, seeds_for

INF, NAN = math.inf, math.nan


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
def test_chunks_form_one_sequence(seed: int, sizes: list[int]) -> None:
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


def test_one_seed_is_counted_up() -> None:
    assert seeds_for(7, 3) == [7, 8, 9]
    assert seeds_for(7, 0) == []


def test_one_seed_per_stream() -> None:
    assert seeds_for([5, 5, 1], 3) == [5, 5, 1]
    assert seeds_for((2**64 - 1,), 1) == [2**64 - 1]


@pytest.mark.parametrize("seeds", [[], [1], [1, 2, 3]])
def test_wrong_number_of_seeds(seeds: list[int]) -> None:
    with pytest.raises(OptionError, match=f"give one seed a stream: 2, got {len(seeds)}"):
        seeds_for(seeds, 2)


def test_fresh_seeds() -> None:
    first, second = seeds_for(None, 3), seeds_for(None, 3)
    assert first == [first[0], first[0] + 1, first[0] + 2]
    assert first != second
    assert all(0 <= seed < MAX_SEED for seed in first + second)
