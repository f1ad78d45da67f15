"""The character model's face: one seed, one text, on every way to it."""

import math
import struct
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rnn_infer
from rnn_infer import CharLM, Classifier, ModelFileError, OptionError, WrongKindError

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


# --- one seed, one text ---------------------------------------------------------------


@pytest.mark.parametrize("options", OPTIONS)
def test_one_text_on_every_way(lm: CharLM, step_lm: CharLM, options: dict[str, Any]) -> None:
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
def test_graph_and_numpy_draw_alike(
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


def test_device_and_threads_change_nothing(lm: CharLM, data: Path) -> None:
    for device, threads in (("cpu", 2), ("auto", 1)):
        other = CharLM.load(data / "charlm.onnx", device=device, threads=threads)  # type: ignore[arg-type]
        if other.device == "cpu":
            assert other.generate(PROMPT, seed=1) == lm.generate(PROMPT, seed=1)


def test_fresh_seed_is_told(lm: CharLM) -> None:
    (first,), (second,) = lm.complete([PROMPT], length=60), lm.complete([PROMPT], length=60)
    assert first.seed != second.seed
    assert lm.generate(PROMPT, length=60, seed=first.seed) == first.text


def test_greedy_takes_the_likeliest(lm: CharLM) -> None:
    text = lm.generate(PROMPT, length=20, temperature=0, seed=1)
    assert text == lm.generate(PROMPT, length=20, temperature=0, seed=99)
    for i in range(20):
        assert lm.next(PROMPT + text[:i], top=1)[0].char == text[i]


def test_temperature_near_nothing_is_greedy(lm: CharLM) -> None:
    greedy = lm.generate(PROMPT, length=50, temperature=0)
    for temperature in (1e-5, 1e-30, 1e-300):
        assert lm.generate(PROMPT, length=50, temperature=temperature, seed=5) == greedy
    assert lm.generate(PROMPT, length=50, top_k=1, seed=5) == greedy
    assert lm.generate(PROMPT, length=50, top_p=1e-30, seed=5) == greedy


# --- what generation gives back -------------------------------------------------------


def test_a_text_for_a_text_and_a_list_for_a_list(lm: CharLM) -> None:
    assert isinstance(lm.generate("a", length=3), str)
    assert isinstance(lm.generate(length=3), str)
    assert [len(each) for each in lm.generate(["a"], length=3)] == [3]
    assert lm.generate([], length=3) == []
    assert lm.generate((), seed=[]) == []


def test_prompt_is_not_repeated(lm: CharLM) -> None:
    (made,) = lm.complete([PROMPT], length=10, seed=6)
    assert (made.prompt, made.seed, made.stopped) == (PROMPT, 6, None)
    assert made.text == lm.generate(PROMPT, length=30, seed=6)[:10]


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


def test_no_length(lm: CharLM) -> None:
    (made,) = lm.complete([PROMPT], length=0, seed=6)
    assert (made.text, made.stopped) == ("", None)
    assert list(lm.stream(PROMPT, length=0)) == []


def test_stream_comes_in_pieces(lm: CharLM) -> None:
    pieces = list(lm.stream(PROMPT, length=100, chunk=30, seed=1))
    assert [len(each) for each in pieces] == [30, 30, 30, 10]
    endless = lm.stream(PROMPT, length=10**12, seed=1)
    assert (next(endless) + next(endless))[:60] == "".join(pieces)[:60]


# --- stop texts -----------------------------------------------------------------------


def test_stop_is_the_same_on_every_way(lm: CharLM, step_lm: CharLM) -> None:
    free = lm.generate(PROMPT, length=400, seed=8)
    for begin in (0, 31, 126, 396):
        stop = free[begin : begin + 4]
        end = free.index(stop)
        for model in (lm, step_lm):
            (made,) = model.complete([PROMPT], length=400, seed=8, stop=stop)
            assert (made.text, made.stopped) == (free[:end], stop)
            for chunk in (3, 32, 400):
                pieces = model.stream(PROMPT, length=400, seed=8, stop=[stop], chunk=chunk)
                assert "".join(pieces) == free[:end]


def test_first_of_several_stops(lm: CharLM) -> None:
    free = lm.generate(PROMPT, length=200, seed=8)
    early, late = free[50:54], free[90:95]
    first = min((early, late), key=lambda stop: free.index(stop) + len(stop))
    for stops in ([early, late, "\0"], (late, early)):
        (made,) = lm.complete([PROMPT], length=200, seed=8, stop=stops)
        assert (made.stopped, made.text) == (first, free[: free.index(first)])


def test_stop_that_never_comes(lm: CharLM) -> None:
    free = lm.generate(PROMPT, length=200, seed=8)
    for stop in ("\0", free[-2:] + "\0", free + "a"):
        (made,) = lm.complete([PROMPT], length=200, seed=8, stop=stop)
        assert (made.text, made.stopped) == (free, None)


def test_stop_in_the_prompt_does_not_count(lm: CharLM) -> None:
    free = lm.generate("abcab", length=5, seed=8)
    stop = "b" + free[0]
    assert lm.generate("abcab", length=5, seed=8, stop=stop) == free.partition(stop)[0]


# --- scores ---------------------------------------------------------------------------


def sum_of_next(lm: CharLM, text: str) -> float:
    """Nats of all characters but the first, asked one by one."""
    session, total = lm.session(seed=0), 0.0
    for before, char in pairwise(text):
        session.feed(before)
        total -= math.log(session.probabilities()[lm.metadata.vocabulary.index(char)])
    return total


@given(text=st.text(st.sampled_from("\n !,.abcxyzABCé"), min_size=2, max_size=30))
def test_score_is_the_sum_of_next(lm: CharLM, text: str) -> None:
    score = lm.score(text)
    assert score.characters == len(text) - 1
    assert score.nats_per_char == pytest.approx(sum_of_next(lm, text) / (len(text) - 1), abs=2e-5)


@pytest.mark.parametrize(
    ("model", "length"),
    [
        *(("lm", length) for length in (2, 3, 1024, 1025, 2050)),
        *(("step_lm", length) for length in (2, 1027)),
        *(("wide", length) for length in (2, 1027)),
    ],
)
def test_score_of_any_length(model: str, length: int, request: pytest.FixtureRequest) -> None:
    lm: CharLM = request.getfixturevalue(model)
    text = (PROMPT * 200)[:length]
    score = lm.score(text)
    assert score.characters == length - 1
    assert score.nats_per_char == pytest.approx(sum_of_next(lm, text) / (length - 1), abs=2e-5)


def test_next_names_what_score_counts(lm: CharLM) -> None:
    everything = {each.char: each.probability for each in lm.next("abc", top=10**6)}
    assert set(everything) == set(lm.metadata.vocabulary)
    assert sum(everything.values()) == pytest.approx(1, abs=1e-5)
    whole, start = lm.score("abcd"), lm.score("abc")
    last = whole.nats_per_char * 3 - start.nats_per_char * 2
    assert last == pytest.approx(-math.log(everything["d"]), abs=1e-4)


def test_next(lm: CharLM) -> None:
    found = lm.next(PROMPT)
    assert len(found) == 5
    assert [each.probability for each in found] == sorted(
        (each.probability for each in found), reverse=True
    )
    assert lm.next(PROMPT, top=2) == found[:2]
    assert lm.next() == lm.next("") == lm.next("\n")


def test_units_of_a_score() -> None:
    score = rnn_infer.Score(math.log(8), 10)
    assert score.bits_per_char == pytest.approx(3)
    assert score.perplexity == pytest.approx(8)
    assert rnn_infer.Score(5000.0, 1).perplexity == math.inf
    assert rnn_infer.Score(math.inf, 1).perplexity == math.inf


@pytest.mark.parametrize("text", ["", "a"])
def test_too_short_to_score(lm: CharLM, text: str) -> None:
    with pytest.raises(OptionError, match="two characters"):
        lm.score(text)
    with pytest.raises(OptionError, match="two characters"):
        lm.score(text + "Ж", unknown="skip")


def test_unknown_characters_are_scored_as_their_token(wide: CharLM) -> None:
    assert wide.score("abЖc") == wide.score("ab\ufffdc")
    assert wide.score("abЖc", unknown="skip") == wide.score("abc")


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


def test_seeds_of_another_number(lm: CharLM) -> None:
    with pytest.raises(OptionError, match="2 streams need 2 seeds, got 1"):
        lm.generate(["a", "b"], seed=[1])


def test_last_seed_of_a_batch_must_be_one_too(lm: CharLM) -> None:
    assert len(lm.generate(["a"], length=2, seed=2**64 - 1)) == 1
    with pytest.raises(OptionError, match="seed"):
        lm.generate(["a", "b"], length=2, seed=2**64 - 1)


@pytest.mark.parametrize("top", [0, -1])
def test_too_few_next(lm: CharLM, top: int) -> None:
    with pytest.raises(OptionError, match="top must be 1 or more"):
        lm.next("a", top=top)


# --- files ----------------------------------------------------------------------------


def test_classifier_is_no_character_model(data: Path) -> None:
    with pytest.raises(WrongKindError, match="is a classifier.*use Classifier.load") as caught:
        CharLM.load(data / "gru.onnx", device="cpu")
    assert str(data / "gru.onnx") in str(caught.value)


def test_load_finds_the_kind(data: Path) -> None:
    charlm = rnn_infer.load(data / "charlm.onnx", device="cpu")
    assert isinstance(charlm, CharLM)
    assert (charlm.device, charlm.metadata.kind) == ("cpu", "charlm")
    assert isinstance(rnn_infer.load(str(data / "gru.onnx"), device="cpu"), Classifier)


def with_bias(edited: Callable[..., Path], values: Callable[[int], Any], of: str) -> Path:
    """A copy of a file whose last layer's bias is replaced."""

    def replace(model: Any) -> None:
        (bias,) = [each for each in model.graph.initializer if each.name == b"head0.b"]
        numbers = np.asarray(values(bias.dims[0]), np.float32)
        bias.raw_data = struct.pack(f"<{bias.dims[0]}f", *numbers)

    return edited(replace, of=of)


@pytest.mark.parametrize("of", ["charlm", "charlm.step", "charlm.one", "charlm.three"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_model_without_numbers_says_so(edited: Callable[..., Path], of: str, value: float) -> None:
    lm = CharLM.load(with_bias(edited, lambda n: [value] * n, of), device="cpu")
    assert lm.generate("abc", length=9, seed=1) == lm.metadata.vocabulary[0] * 9
    for call in (lm.score, lm.next):
        with pytest.raises(ModelFileError, match="no numbers.*export it again") as caught:
            call("abc")
        assert len(str(caught.value).splitlines()) == 1


def test_character_that_can_never_come(edited: Callable[..., Path]) -> None:
    lm = CharLM.load(
        with_bias(edited, lambda n: [-math.inf, *[0.0] * (n - 1)], "charlm"), device="cpu"
    )
    impossible = lm.metadata.vocabulary[0]
    assert lm.next("abc", top=99)[-1] == rnn_infer.NextChar(impossible, 0.0)
    assert impossible not in lm.generate("abc", length=300, temperature=1e6, seed=1)
    assert lm.score("abc" + impossible).nats_per_char == math.inf
