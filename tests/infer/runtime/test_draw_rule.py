"""The rule of a stream: what a bias may name, and what it may forbid."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rnn_infer import CharLM, OptionError, Sampling, UnknownCharacterError
from rnn_infer.runtime.draw_rule import DrawRule
from rnn_infer.text.vocabulary import Vocabulary

INF = math.inf


def rule(lm: CharLM, bias: Any = None, **options: Any) -> DrawRule:
    return DrawRule.of(Sampling(logit_bias=bias, **options), Vocabulary(lm.metadata))


def test_by_steps_only_where_it_is_needed(lm: CharLM, wide: CharLM) -> None:
    nothing: tuple[Any, ...] = (None, {}, [], np.zeros(0))
    assert not any(rule(lm, each).by_steps for each in nothing)
    assert not rule(wide).by_steps
    assert rule(lm, {"a": 0}).by_steps
    assert rule(lm, repetition_penalty=1.1).by_steps
    assert not rule(lm, repetition_penalty=1).by_steps


def test_bias_stands_at_the_token(lm: CharLM) -> None:
    found = rule(lm, {"b": 2, "c": -INF}).bias
    assert found is not None
    vocabulary = lm.metadata.vocabulary
    assert {vocabulary[i]: found[i] for i in np.flatnonzero(found)} == {"b": 2, "c": -INF}


def test_unknown_token_is_hidden_until_it_is_named(wide: CharLM, lm: CharLM) -> None:
    token = wide.metadata.text.unknown
    assert token is not None
    assert rule(wide).unknown == rule(wide, {"a": 1}).unknown == token
    assert rule(wide, {wide.metadata.vocabulary[token]: 0}).unknown is None
    assert rule(wide, [0.0] * 300).unknown is None
    assert rule(lm).unknown is None


@pytest.mark.parametrize(
    ("bias", "words"),
    [
        ({"ab": 1}, "'ab' is not one character"),
        ({"": 1}, "'' is not one character"),
        ([0.0] * 40, "has 40 numbers; the vocabulary has 41"),
        ([0.0] * 42, "has 42 numbers; the vocabulary has 41"),
        ([-INF] * 41, "forbids every character"),
    ],
)
def test_bias_that_does_not_fit(lm: CharLM, bias: Any, words: str) -> None:
    with pytest.raises(OptionError) as caught:
        rule(lm, bias)
    assert words in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_character_outside_the_vocabulary(lm: CharLM) -> None:
    with pytest.raises(UnknownCharacterError, match=r"U\+2603"):
        rule(lm, {"☃": 1})


def test_everything_forbidden_but_the_unknown_token(wide: CharLM) -> None:
    vocabulary = wide.metadata.vocabulary
    with pytest.raises(OptionError, match="every character"):
        rule(wide, dict.fromkeys(vocabulary[1:], -INF))
    rule(wide, dict.fromkeys(vocabulary[2:], -INF))
    rule(wide, dict.fromkeys(vocabulary[1:], -INF) | {vocabulary[0]: 0})


def test_a_decomposed_character_is_the_composed_one(wide: CharLM) -> None:
    form = wide.metadata.text.normalization
    composed = next((c for c in wide.metadata.vocabulary if c == "é"), None)
    if form == "NFC" and composed:
        assert rule(wide, {"e\u0301": 1}).bias is not None
        with pytest.raises(OptionError, match="twice"):
            rule(wide, {"e\u0301": 1, "é": 2})
    else:
        with pytest.raises(OptionError, match="not one character"):
            rule(wide, {"e\u0301": 1})


def test_other_canonical_form_is_the_character_that_the_vocabulary_has(lm: CharLM) -> None:
    """As in a prompt, and where the file's rules leave the forms as they are."""
    assert lm.metadata.text.normalization == "none"
    np.testing.assert_array_equal(rule(lm, {"e\u0301": 2.0}).bias, rule(lm, {"é": 2.0}).bias)
    with pytest.raises(OptionError, match="twice"):
        rule(lm, {"e\u0301": 1, "é": 2})


def test_composed_form_of_two_characters_is_no_character(lm: CharLM) -> None:
    """It would be the bias of the letter alone."""
    vocabulary = tuple("\u0301" if c == "é" else c for c in lm.metadata.vocabulary)
    known = Vocabulary(replace(lm.metadata, vocabulary=vocabulary))
    assert known.encode("é").tolist() == known.encode("e\u0301").tolist()
    parts = "which writes 'e' and '\u0301'; name one of these"
    for char, said in (("é", parts), ("e\u0301", parts), ("a☃", "")):
        with pytest.raises(OptionError, match=f"not one character.*{said}"):
            DrawRule.of(Sampling(logit_bias={char: 1}), known)


# --- stop texts -----------------------------------------------------------------------


def test_stop_texts_that_can_never_come(lm: CharLM, wide: CharLM) -> None:
    vocabulary = Vocabulary(lm.metadata)
    assert rule(lm, {"b": -INF, "a": -1000}).stops(["a", "ca"], vocabulary) == ("a", "ca")
    with pytest.raises(OptionError, match="stop text 'cab' can never come: 'b' is never drawn"):
        rule(lm, {"b": -INF}).stops(["a", "cab"], vocabulary)
    token = wide.metadata.text.unknown
    assert token is not None
    unknown = wide.metadata.vocabulary[token]
    with pytest.raises(OptionError, match="can never come"):
        rule(wide).stops(unknown, Vocabulary(wide.metadata))
    assert rule(wide, {unknown: 0}).stops(unknown, Vocabulary(wide.metadata)) == (unknown,)


def test_every_draw_refuses_stop_texts_that_can_never_come(lm: CharLM) -> None:
    bias = {"e": -INF}
    with lm.pool() as pool, pool.open("a", seed=1, logit_bias=bias) as stream:
        for refused in (
            lambda: lm.complete(["a"], stop="e", logit_bias=bias),
            lambda: lm.stream("a", stop="e", logit_bias=bias),
            lambda: lm.session(seed=1).generate(3, stop="e", logit_bias=bias),
            lambda: pool.stream("a", seed=1, stop="e", logit_bias=bias),
            lambda: stream.draw(3, stop="e"),
        ):
            with pytest.raises(OptionError, match="can never come"):
                refused()
