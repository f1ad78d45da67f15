"""Sessions: feed, draw, fork, save and restore, in any pieces."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_infer import CharLM, OptionError, UnknownCharacterError

PROMPT = "dead beef, a cage.\n"
LATIN = st.text(st.sampled_from("\n !,.abcdefgxyzABG"), max_size=40)


# --- feeding and drawing --------------------------------------------------------------


@given(pieces=st.lists(LATIN, min_size=1, max_size=5))
def test_feeding_in_pieces_equals_feeding_at_once(lm: CharLM, pieces: list[str]) -> None:
    whole, parts = lm.session(seed=1), lm.session(seed=1)
    whole.feed("".join(pieces))
    for piece in pieces:
        parts.feed(piece)
    assert parts.generate(12) == whole.generate(12)
    np.testing.assert_allclose(parts.probabilities(), whole.probabilities(), atol=1e-6)


@given(sizes=st.lists(st.integers(0, 40), max_size=5), chunk=st.integers(1, 50))
def test_drawing_in_pieces_equals_drawing_at_once(lm: CharLM, sizes: list[int], chunk: int) -> None:
    session = lm.session(seed=9)
    session.feed(PROMPT)
    drawn = "".join("".join(session.stream(size, chunk=chunk)) for size in sizes)
    assert drawn == lm.generate(PROMPT, length=sum(sizes), seed=9)
    assert session.position == sum(sizes)


def test_new_session_reads_the_start_text(lm: CharLM, step_lm: CharLM) -> None:
    for model in (lm, step_lm):
        charlm = model.metadata.charlm
        assert charlm is not None
        for text in ("", charlm.start):
            session = model.session(seed=4)
            session.feed(text)
            assert session.generate(20) == model.generate(length=20, seed=4)


def test_empty_feed_changes_nothing(lm: CharLM) -> None:
    session = lm.session(seed=4)
    session.feed(PROMPT)
    session.feed("")
    session.feed("Ж", unknown="skip")
    assert session.generate(20) == lm.generate(PROMPT, length=20, seed=4)


def test_drawn_text_counts_as_read(lm: CharLM) -> None:
    session, again = lm.session(seed=4), lm.session(seed=4)
    session.feed(PROMPT)
    again.feed(PROMPT + session.generate(10))
    np.testing.assert_allclose(session.probabilities(), again.probabilities(), atol=1e-6)


def test_feeding_does_not_draw(lm: CharLM) -> None:
    session = lm.session(seed=4)
    session.feed(PROMPT)
    session.probabilities()
    assert session.position == 0
    assert session.seed == 4


def test_drawing_zero_characters_changes_nothing(lm: CharLM) -> None:
    session = lm.session(seed=4)
    session.feed(PROMPT)
    assert session.generate(0) == ""
    assert list(session.stream(0)) == []
    assert session.generate(20) == lm.generate(PROMPT, length=20, seed=4)


def test_refused_text_does_not_change_the_session(lm: CharLM) -> None:
    session = lm.session(seed=4)
    session.feed(PROMPT)
    with pytest.raises(UnknownCharacterError):
        session.feed("abcЖ")
    assert session.generate(20) == lm.generate(PROMPT, length=20, seed=4)


def test_long_feed(lm: CharLM) -> None:
    text = PROMPT * 130  # several read chunks
    session = lm.session(seed=2)
    session.feed(text)
    stepwise = lm.session(seed=2)
    for begin in range(0, len(text), 100):
        stepwise.feed(text[begin : begin + 100])
    assert session.generate(30) == stepwise.generate(30)


def test_probabilities(lm: CharLM) -> None:
    session = lm.session(seed=2)
    for text in ("", "a", PROMPT):
        session.feed(text)
        probabilities = session.probabilities()
        assert probabilities.shape == (len(lm.metadata.vocabulary),)
        assert (probabilities > 0).all()
        assert probabilities.sum() == pytest.approx(1, abs=1e-5)
        assert session.probabilities().tolist() == probabilities.tolist()


def test_draws_follow_the_probabilities(lm: CharLM) -> None:
    session = lm.session(seed=0)
    session.feed(PROMPT)
    texts = [session.fork(seed=i).generate(1, temperature=1) for i in range(2000)]
    for char, probability in zip(lm.metadata.vocabulary, session.probabilities(), strict=True):
        deviation = math.sqrt(probability * (1 - probability) / 2000)
        assert abs(texts.count(char) / 2000 - probability) < 5 * deviation + 1e-3


@pytest.mark.parametrize("taken", [0, 1, 3])
def test_stream_left_early(lm: CharLM, taken: int) -> None:
    """The session stands at the end of the text that was returned."""
    free = lm.generate(PROMPT, length=100, seed=4)
    session = lm.session(seed=4)
    session.feed(PROMPT)
    pieces = session.stream(100, chunk=10)
    begun = "".join(next(pieces) for _ in range(taken))
    del pieces
    assert begun == free[: 10 * taken]
    assert session.position == 10 * taken
    assert session.generate(100 - 10 * taken) == free[10 * taken :]


# --- stop texts -----------------------------------------------------------------------


@pytest.mark.parametrize("chunk", [1, 2, 7, 32, 500])
def test_session_stands_right_after_the_stop_text(lm: CharLM, chunk: int) -> None:
    free = lm.generate(PROMPT, length=300, seed=11)
    stop = free[40:43]
    end = free.index(stop) + len(stop)
    session = lm.session(seed=11)
    session.feed(PROMPT)
    text = "".join(session.stream(300, stop=[stop, "no such text"], chunk=chunk))
    assert text == free[: end - len(stop)]
    assert session.stopped == stop
    assert session.position == end
    assert session.generate(300 - end) == free[end:]
    assert session.stopped is None


def test_half_a_stop_text_is_returned_at_the_end(lm: CharLM) -> None:
    free = lm.generate(PROMPT, length=50, seed=11)
    session = lm.session(seed=11)
    session.feed(PROMPT)
    assert session.generate(50, stop=free[-4:] + "\n" * 40) == free
    assert session.stopped is None
    assert session.position == 50


# --- forks ----------------------------------------------------------------------------


def test_fork_draws_the_same_text(lm: CharLM) -> None:
    session = lm.session(seed=3)
    session.feed(PROMPT)
    session.generate(13)
    twin = session.fork()
    assert (twin.seed, twin.position) == (3, 13)
    assert twin.generate(30) == session.generate(30)


def test_forks_are_independent(lm: CharLM) -> None:
    session = lm.session(seed=3)
    session.feed(PROMPT)
    expected = session.fork().generate(30)
    for seed in range(5):
        twin = session.fork(seed=seed)
        twin.feed("x" * seed)
        twin.generate(7)
    assert session.position == 0
    assert session.generate(30) == expected


def test_fork_with_another_seed(lm: CharLM) -> None:
    session = lm.session(seed=3)
    session.feed(PROMPT)
    session.generate(13)
    twin = session.fork(seed=5)
    assert (twin.seed, twin.position) == (5, 0)
    fresh = lm.session(seed=5)
    fresh.feed(PROMPT + lm.generate(PROMPT, length=13, seed=3))
    assert twin.generate(20) == fresh.generate(20)


def test_fork_before_any_text(lm: CharLM) -> None:
    twin = lm.session(seed=3).fork()
    twin.feed(PROMPT)
    assert twin.generate(10) == lm.generate(PROMPT, length=10, seed=3)


# --- save and restore -----------------------------------------------------------------


@given(text=LATIN, drawn=st.integers(0, 20), seed=st.integers(0, 2**64 - 1))
def test_restored_session_continues(lm: CharLM, text: str, drawn: int, seed: int) -> None:
    session = lm.session(seed=seed)
    session.feed(text)
    session.generate(drawn)
    saved = session.save()
    again = lm.session(restore=saved)
    assert (again.seed, again.position) == (seed, drawn)
    assert again.save() == saved
    assert again.generate(20) == session.generate(20)
    assert again.save() == session.save()


def test_session_saved_before_any_text(lm: CharLM) -> None:
    again = lm.session(restore=lm.session(seed=8).save())
    again.feed(PROMPT)
    assert again.generate(10) == lm.generate(PROMPT, length=10, seed=8)


def test_restored_by_another_model_object(lm: CharLM, data: Path) -> None:
    session = lm.session(seed=8)
    session.feed(PROMPT)
    other = CharLM.load(data / "charlm.onnx", device="cpu")
    assert other.session(restore=session.save()).generate(20) == session.generate(20)


def test_model_without_state(edited: Callable[..., Path]) -> None:
    """A file may have any number of states, even none."""

    def forget(model: Any) -> None:
        graph = model.graph
        kinds = {each.name: each for each in graph.input}
        for name in (b"h0", b"c0", b"h1", b"c1"):
            graph.input.remove(kinds[name])
            width = kinds[name].type.tensor_type.shape.dim[1].dim_value
            graph.initializer.add(
                name=name, data_type=1, dims=[1, width], raw_data=bytes(4 * width)
            )
        for output in [each for each in graph.output if each.name.endswith(b"_next")]:
            graph.output.remove(output)

    path = edited(forget, of="charlm.step")
    lm = CharLM.load(path, device="cpu")
    session = lm.session(seed=1)
    session.feed("abc")
    text = session.fork().generate(20)
    assert lm.session(restore=session.save()).generate(20) == text


# --- options --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"length": -1},
        {"length": 1.5},
        {"length": True},
        {"length": None},
        {"chunk": 0},
        {"chunk": -1},
        {"temperature": -1},
        {"temperature": math.nan},
        {"top_k": -1},
        {"top_p": 0},
        {"top_p": 2},
        {"stop": ""},
        {"stop": ["a", ""]},
    ],
)
def test_bad_option_is_refused_before_the_first_piece(lm: CharLM, options: dict[str, Any]) -> None:
    session = lm.session(seed=1)
    with pytest.raises(OptionError) as caught:
        session.stream(**options)
    assert len(str(caught.value).splitlines()) == 1
    assert session.position == 0
    if "chunk" not in options:
        with pytest.raises(OptionError):
            session.generate(**options)


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, "1"])
def test_bad_seed(lm: CharLM, seed: Any) -> None:
    with pytest.raises(OptionError, match="seed"):
        lm.session(seed=seed)
    with pytest.raises(OptionError, match="seed"):
        lm.session(seed=1).fork(seed=seed)


def test_fresh_seeds_differ(lm: CharLM) -> None:
    assert lm.session().seed != lm.session().seed
