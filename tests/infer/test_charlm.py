"""The public class of a character model: one seed gives one text on every path."""

import math
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rnn_infer
from rnn_infer import CharLM, ModelFileError, OptionError, Sampling, WrongKindError

PROMPT = "dead beef, a cage.\n"
OPTIONS: list[dict[str, Any]] = [
    {},
    {"temperature": 0},
    {"temperature": 1e6},
    {"temperature": 0.3, "top_k": 4},
    {"temperature": 1.5, "top_p": 0.7},
    {"temperature": 1, "top_k": 10, "top_p": 0.5},
    {"top_k": 10**6},
]


# --- one seed gives one text ----------------------------------------------------------


@pytest.mark.parametrize("options", OPTIONS)
def test_same_seed_gives_the_same_text_on_every_path(
    lm: CharLM, step_lm: CharLM, options: dict[str, Any]
) -> None:
    text = lm.generate(PROMPT, length=150, seed=21, **options)
    assert len(text) == 150
    assert lm.generate(PROMPT, length=150, seed=21, **options) == text
    assert lm.generate(["x", PROMPT], length=150, seed=20, **options)[1] == text
    assert lm.generate(("", PROMPT, ""), length=150, seed=[1, 21, 9], **options)[1] == text
    for chunk in (1, 3, 32, 150, 1000):
        assert "".join(lm.stream(PROMPT, length=150, seed=21, chunk=chunk, **options)) == text
    assert step_lm.generate(PROMPT, length=150, seed=21, **options) == text
    assert "".join(step_lm.stream(PROMPT, length=150, seed=21, **options)) == text
    session = lm.session(seed=21)
    session.feed(PROMPT)
    assert session.generate(60, **options) + session.generate(90, **options) == text


@given(
    seed=st.integers(0, 2**64 - 1),
    temperature=st.floats(0, 5),
    top_k=st.integers(0, 50),
    top_p=st.floats(0.01, 1),
    cut=st.integers(0, 24),
)
def test_graph_and_numpy_draw_the_same(
    lm: CharLM, step_lm: CharLM, seed: int, temperature: float, top_k: int, top_p: float, cut: int
) -> None:
    options: dict[str, Any] = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
    text = lm.generate(PROMPT, length=24, seed=seed, **options)
    session = step_lm.session(seed=seed)
    session.feed(PROMPT)
    assert session.generate(cut, **options) + session.generate(24 - cut, **options) == text


def test_wide_vocabulary(wide: CharLM) -> None:
    for options in OPTIONS:
        text = wide.generate("中\U0001f600", length=100, seed=2, **options)
        assert "".join(wide.stream("中\U0001f600", length=100, seed=2, **options)) == text
        assert len(text) == 100


def test_text_does_not_depend_on_device_or_threads(lm: CharLM, data: Path) -> None:
    for device, threads in (("cpu", 2), ("auto", 1)):
        other = CharLM.load(data / "charlm.onnx", device=device, threads=threads)  # type: ignore[arg-type]
        if other.device == "cpu":
            assert other.generate(PROMPT, seed=1) == lm.generate(PROMPT, seed=1)


def test_greedy_takes_the_most_likely(lm: CharLM) -> None:
    text = lm.generate(PROMPT, length=20, temperature=0, seed=1)
    assert text == lm.generate(PROMPT, length=20, temperature=0, seed=99)
    for i in range(20):
        assert lm.next(PROMPT + text[:i], top=1)[0].char == text[i]


def test_temperature_near_zero_is_greedy(lm: CharLM) -> None:
    greedy = lm.generate(PROMPT, length=50, temperature=0)
    for temperature in (1e-5, 1e-30, 1e-300):
        assert lm.generate(PROMPT, length=50, temperature=temperature, seed=5) == greedy
    assert lm.generate(PROMPT, length=50, top_k=1, seed=5) == greedy
    assert lm.generate(PROMPT, length=50, top_p=1e-30, seed=5) == greedy


# --- prompts and pieces ---------------------------------------------------------------


def test_text_returns_text_and_list_returns_list(lm: CharLM) -> None:
    assert isinstance(lm.generate("a", length=3), str)
    assert isinstance(lm.generate(length=3), str)
    assert [len(each) for each in lm.generate(["a"], length=3)] == [3]
    assert lm.generate([], length=3) == []
    assert lm.generate((), seed=[]) == []


def test_empty_prompt_is_the_start_text(lm: CharLM) -> None:
    charlm = lm.metadata.charlm
    assert charlm is not None
    expected = lm.generate(charlm.start, length=30, seed=6)
    assert lm.generate("", length=30, seed=6) == expected
    assert lm.generate(["", "a", ""], length=30, seed=[6, 1, 6])[::2] == [expected] * 2
    assert "".join(lm.stream(length=30, seed=6)) == expected
    assert lm.generate("Ж", length=30, seed=6, unknown="skip") == expected


def test_default_length(lm: CharLM) -> None:
    assert len(lm.generate("a")) == 500
    assert len("".join(lm.stream("a"))) == 500


def test_stream_comes_in_pieces(lm: CharLM) -> None:
    pieces = list(lm.stream(PROMPT, length=100, chunk=30, seed=1))
    assert [len(each) for each in pieces] == [30, 30, 30, 10]
    endless = lm.stream(PROMPT, length=10**12, seed=1)
    assert (next(endless) + next(endless))[:60] == "".join(pieces)[:60]


# --- the next character ---------------------------------------------------------------


def test_next(lm: CharLM) -> None:
    found = lm.next(PROMPT)
    assert len(found) == 5
    assert [each.probability for each in found] == sorted(
        (each.probability for each in found), reverse=True
    )
    assert lm.next(PROMPT, top=2) == found[:2]
    assert lm.next() == lm.next("") == lm.next("\n")


# --- options --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"length": -1},
        {"length": 2.0},
        {"length": "9"},
        {"length": True},
        {"temperature": -1e-9},
        {"temperature": math.nan},
        {"temperature": math.inf},
        {"top_k": -1},
        {"top_k": 2**31},
        {"top_k": 1.0},
        {"top_p": 0},
        {"top_p": 1.1},
        {"top_p": math.nan},
        {"seed": -1},
        {"seed": 2**64},
        {"seed": 0.5},
        {"stop": ""},
        {"stop": ["a", ""]},
        {"unknown": "drop"},
    ],
)
def test_option_out_of_range(lm: CharLM, options: dict[str, Any]) -> None:
    for call in (lm.generate, lm.stream):
        with pytest.raises(OptionError) as caught:
            call("a", **options)
        assert len(str(caught.value).splitlines()) == 1
    with pytest.raises(OptionError):
        lm.generate(["a", "b"], **options)


def test_wrong_number_of_seeds(lm: CharLM) -> None:
    with pytest.raises(OptionError, match="give one seed a stream: 2, got 1"):
        lm.generate(["a", "b"], seed=[1])


def test_last_seed_of_a_batch_must_be_in_range(lm: CharLM) -> None:
    assert len(lm.generate(["a"], length=2, seed=2**64 - 1)) == 1
    with pytest.raises(OptionError, match="seed"):
        lm.generate(["a", "b"], length=2, seed=2**64 - 1)


@pytest.mark.parametrize("top", [0, -1])
def test_next_with_top_below_one(lm: CharLM, top: int) -> None:
    with pytest.raises(OptionError, match="top must be 1 or more"):
        lm.next("a", top=top)


# --- files ----------------------------------------------------------------------------


def test_classifier_file_is_refused(data: Path) -> None:
    with pytest.raises(WrongKindError, match="is a classifier.*use Classifier.load") as caught:
        CharLM.load(data / "gru.onnx", device="cpu")
    assert str(data / "gru.onnx") in str(caught.value)


def with_bias(edited: Callable[..., Path], values: Callable[[int], Any], of: str) -> Path:
    """Return a copy of a file with another bias in the last layer."""

    def replace(model: Any) -> None:
        (bias,) = [each for each in model.graph.initializer if each.name == b"head0.b"]
        numbers = np.asarray(values(bias.dims[0]), np.float32)
        bias.raw_data = struct.pack(f"<{bias.dims[0]}f", *numbers)

    return edited(replace, of=of)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("of", ["charlm", "charlm.step", "charlm.one", "charlm.three"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_model_that_returns_nan_or_infinity(
    edited: Callable[..., Path], of: str, value: float
) -> None:
    lm = CharLM.load(with_bias(edited, lambda n: [value] * n, of), device="cpu")
    assert lm.generate("abc", length=9, seed=1) == lm.metadata.vocabulary[0] * 9
    for call in (lm.score, lm.next):
        with pytest.raises(ModelFileError, match="no numbers.*export it again") as caught:
            call("abc")
        assert len(str(caught.value).splitlines()) == 1


@pytest.mark.usefixtures("unchecked")
def test_character_of_probability_zero(edited: Callable[..., Path]) -> None:
    lm = CharLM.load(
        with_bias(edited, lambda n: [-math.inf, *[0.0] * (n - 1)], "charlm"), device="cpu"
    )
    impossible = lm.metadata.vocabulary[0]
    assert lm.next("abc", top=99)[-1] == rnn_infer.NextChar(impossible, 0.0)
    assert impossible not in lm.generate("abc", length=300, temperature=1e6, seed=1)
    assert lm.score("abc" + impossible).nats_per_char == math.inf


# --- sampling as one value ------------------------------------------------------------


def test_sampling_is_the_same_as_its_keywords(lm: CharLM) -> None:
    options: dict[str, Any] = {"temperature": 1.5, "top_k": 9, "top_p": 0.7}
    sampling = Sampling(**options)
    expected = lm.generate(PROMPT, length=60, seed=3, **options)
    assert lm.generate(PROMPT, length=60, seed=3, sampling=sampling) == expected
    assert lm.generate([PROMPT], length=60, seed=3, sampling=sampling) == [expected]
    assert lm.complete([PROMPT], length=60, seed=3, sampling=sampling)[0].text == expected
    assert "".join(lm.stream(PROMPT, length=60, seed=3, sampling=sampling)) == expected
    session = lm.session(seed=3)
    session.feed(PROMPT)
    drawn = session.generate(20, sampling=sampling)
    assert drawn + "".join(session.stream(40, sampling=sampling)) == expected
    with lm.pool() as pool:
        assert pool.open(PROMPT, seed=3, sampling=sampling).draw(60) == expected


def test_keyword_replaces_a_field_of_sampling(lm: CharLM) -> None:
    sampling = Sampling(temperature=1.5, top_k=9)
    expected = lm.generate(PROMPT, length=60, seed=3, temperature=0.2, top_k=9)
    options: dict[str, Any] = {"sampling": sampling, "temperature": 0.2}
    assert lm.generate(PROMPT, length=60, seed=3, **options) == expected
    assert "".join(lm.stream(PROMPT, length=60, seed=3, **options)) == expected
    session = lm.session(seed=3)
    session.feed(PROMPT)
    assert session.generate(60, **options) == expected
    with lm.pool() as pool:
        assert pool.open(PROMPT, seed=3, **options).draw(60) == expected
