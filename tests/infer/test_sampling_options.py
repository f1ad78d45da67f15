"""The options of drawing: every wrong type or value is refused in one line."""

import math
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from rnn_infer import OptionError, Sampling
from rnn_infer.sampling import check_chunk, check_length, seeds_for, with_keywords

NAN, INF = math.nan, math.inf


def generator() -> Iterator[float]:
    yield 1.0


WRONG: list[dict[str, Any]] = [
    *({"temperature": each} for each in ("hot", None, True, [1], NAN, -1, 1e7, 1j, "1")),
    *({"top_k": each} for each in ("5", None, True, 2.5, -1, 2**31, [5], np.float32(2))),
    *({"top_p": each} for each in ("0.5", None, False, 0, 1.1, NAN, [0.5])),
    *({"repetition_penalty": each} for each in ("2", None, True, 0.9, 101, NAN, INF, [2])),
    *({"logit_bias": {"a": each}} for each in ("1", None, True, NAN, INF, 1001, -1001, [1])),
    *({"logit_bias": {each: 1}} for each in (1, None, ("a",), b"a")),
    *({"logit_bias": each} for each in (1, "abc", b"abc", {"a", "b"}, generator(), object())),
    *({"logit_bias": each} for each in ([NAN], [INF], ["1"], [None], [[1.0], [2.0]], [[1], 2])),
    *({"logit_bias": each} for each in (np.zeros((1, 3)), np.array(3.0), np.array(["a"]))),
]


# The ids are numbers, because the text of an object is another one in each process.
@pytest.mark.parametrize("options", WRONG, ids=map(str, range(len(WRONG))))
def test_wrong_option(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError) as caught:
        Sampling(**options)
    with pytest.raises(OptionError):
        with_keywords(None, options)  # type: ignore[arg-type]
    (name,) = options
    assert str(caught.value).startswith(name)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 250


def test_numbers_of_numpy_are_numbers() -> None:
    found = Sampling(
        temperature=np.float32(0.5),  # type: ignore[arg-type]
        top_k=np.int64(3),  # type: ignore[arg-type]
        logit_bias={"a": np.float32(-INF), "b": np.int8(3)},  # type: ignore[dict-item]
    )
    assert found.temperature == 0.5
    assert found.logit_bias == {"a": -INF, "b": 3}


def test_a_bias_is_copied() -> None:
    given, row = {"a": 1.0}, np.array([1.0, 2.0])
    kept = Sampling(logit_bias=given), Sampling(logit_bias=row)
    given["a"] = row[0] = 5
    assert kept == (Sampling(logit_bias={"a": 1.0}), Sampling(logit_bias=[1.0, 2.0]))
    assert kept[0] != Sampling(logit_bias={"a": 5})
    for each in kept:
        assert pickle.loads(pickle.dumps(each)) == each
        assert hash(each) == hash(Sampling())
        assert with_keywords(each, {"top_k": 2}).logit_bias == each.logit_bias


@pytest.mark.parametrize("sampling", [0.5, "hot", {"temperature": 1}, Sampling])
def test_sampling_of_a_wrong_type(sampling: Any) -> None:
    with pytest.raises(OptionError, match="sampling must be a Sampling"):
        with_keywords(sampling, {})


@pytest.mark.parametrize("value", [None, "5", 2.5, True, -1, [5], 1j])
def test_wrong_lengths_and_chunks(value: Any) -> None:
    for check in (check_length, check_chunk):
        with pytest.raises(OptionError):
            check(value)


@pytest.mark.parametrize("seed", ["1", b"1", 1.5, True, {1}, {"a": 1}, object()])
def test_wrong_seeds(seed: Any) -> None:
    with pytest.raises(OptionError, match="seed"):
        seeds_for(seed, 1)
