"""Scores: the loss of a text, whole and character by character."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rnn_infer
from rnn_infer import CharLM, ModelFileError, OptionError
from rnn_infer.scoring import most_likely, sequence_loss

PROMPT = "dead beef, a cage.\n"


def sum_of_next(lm: CharLM, text: str) -> float:
    """Return the nats of all characters but the first, from single predictions."""
    session, total = lm.session(seed=0), 0.0
    for before, char in pairwise(text):
        session.feed(before)
        total -= math.log(session.probabilities()[lm.metadata.vocabulary.index(char)])
    return total


@given(text=st.text(st.sampled_from("\n !,.abcxyzABCé"), min_size=2, max_size=30))
def test_score_is_the_mean_of_single_predictions(lm: CharLM, text: str) -> None:
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


def test_next_agrees_with_score(lm: CharLM) -> None:
    everything = {each.char: each.probability for each in lm.next("abc", top=10**6)}
    assert set(everything) == set(lm.metadata.vocabulary)
    assert sum(everything.values()) == pytest.approx(1, abs=1e-5)
    whole, start = lm.score("abcd"), lm.score("abc")
    last = whole.nats_per_char * 3 - start.nats_per_char * 2
    assert last == pytest.approx(-math.log(everything["d"]), abs=1e-4)


def test_bits_and_perplexity() -> None:
    score = rnn_infer.Score(math.log(8), 10)
    assert score.bits_per_char == pytest.approx(3)
    assert score.perplexity == pytest.approx(8)
    assert rnn_infer.Score(5000.0, 1).perplexity == math.inf
    assert rnn_infer.Score(math.inf, 1).perplexity == math.inf


@pytest.mark.parametrize("text", ["", "a"])
def test_text_too_short_to_score(lm: CharLM, text: str) -> None:
    with pytest.raises(OptionError, match="two characters"):
        lm.score(text)
    with pytest.raises(OptionError, match="two characters"):
        lm.score(text + "Ж", unknown="skip")


def test_unknown_characters_are_scored_as_the_unknown_token(wide: CharLM) -> None:
    assert wide.score("abЖc") == wide.score("ab\ufffdc")
    assert wide.score("abЖc", unknown="skip") == wide.score("abc")


def test_most_likely_first_and_ties_in_order() -> None:
    probabilities = np.array([0.1, 0.4, 0.1, 0.4], np.float32)
    found = most_likely("abcd", probabilities, 3)
    assert [each.char for each in found] == ["b", "d", "a"]
    assert found[0].probability == pytest.approx(0.4)


def test_loss_of_a_batch_is_the_mean_of_its_rows(lm: CharLM) -> None:
    rows = np.array([[1, 2, 3, 4], [4, 3, 2, 1]])
    whole = sequence_loss(lm._stepper, rows)
    single = [sequence_loss(lm._stepper, row[None]) for row in rows]
    assert whole == pytest.approx(sum(single) / 2, abs=1e-6)


# --- many texts -----------------------------------------------------------------------


@pytest.mark.parametrize("model", ["lm", "step_lm", "one_lm", "wide"])
def test_list_gives_the_same_as_single_texts(model: str, request: pytest.FixtureRequest) -> None:
    many: CharLM = request.getfixturevalue(model)
    texts = [(PROMPT * 3)[: 2 + 7 * i % 50] for i in range(150)]
    for text, score in zip(texts, many.score(texts), strict=True):
        alone = many.score(text)
        assert score.characters == alone.characters == len(text) - 1
        assert score.nats_per_char == pytest.approx(alone.nats_per_char, abs=1e-5)


def test_list_of_very_different_lengths(lm: CharLM) -> None:
    """The long text goes on over several calls after the short ones have ended."""
    texts = ["ab", (PROMPT * 200)[:2500], "abc", (PROMPT * 200)[:1025]]
    for text, score in zip(texts, lm.score(texts), strict=True):
        assert score.nats_per_char == pytest.approx(lm.score(text).nats_per_char, abs=1e-5)


def test_columns_and_empty_lists(lm: CharLM) -> None:
    assert lm.score([]) == []
    texts = ["dead", "beef"]
    assert lm.score(tuple(texts)) == lm.score(np.array(texts)) == lm.score(texts)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["abc", "a"], "text 1 has fewer than two characters"),
        (["abc", ""], "text 1 is empty; there is nothing to score"),
        ([None, "abc"], "text 0 is missing"),
        ([1, "abc"], "text 0 is of type int"),
    ],
)
def test_bad_text_in_a_list(lm: CharLM, texts: list[str], said: str) -> None:
    with pytest.raises(OptionError) as caught:
        lm.score(texts)
    assert said in str(caught.value)


def test_nan_in_a_list(lm: CharLM, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(tokens: np.ndarray, state: object) -> object:
        return np.full((*tokens.shape, 41), np.nan, np.float32), state

    monkeypatch.setattr(lm._stepper, "forward", broken)
    with pytest.raises(ModelFileError, match="no numbers"):
        lm.score(["abc", "ab"])
