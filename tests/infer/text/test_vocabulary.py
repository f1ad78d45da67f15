"""Text to tokens and back, for all of Unicode."""

import dataclasses
import unicodedata
from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rnn_infer import CharLM, OptionError, UnknownCharacterError
from rnn_infer.contract import CharLMSection, Golden, Metadata, TextRules
from rnn_infer.text.vocabulary import UNKNOWN_POLICIES, Unknown, Vocabulary

ANY_TEXT = st.text(st.characters())  # surrogates too
AWKWARD = (
    *("", "\0", "\ufeff", "\ud800", "\udfff\ud800", "\U0010ffff", "\ufffe", "\u2028", "e\u0301"),
    *("\r\n", "\r", "\n\r", "\r\r\n", "אבג", "\u202eabc", "👩‍👩‍👧", "ﬁ", "ß", "İ", "ŉ", "Å", "각"),
)


def vocabulary(
    chars: Iterable[str],
    unknown: int | None = None,
    normalization: Literal["none", "NFC"] = "none",
    newlines: Literal["keep", "lf"] = "keep",
) -> Vocabulary:
    chars = tuple(chars)
    return Vocabulary(
        Metadata(
            format_version=1,
            kind="charlm",
            producer="a test",
            text=TextRules(normalization, newlines, unknown),
            vocabulary=chars,
            charlm=CharLMSection(chars[0]),
            classifier=None,
            training={},
            proof={},
            golden=Golden((0,), (0.0,), (), ()),
        )
    )


def spelled(found: Vocabulary, text: str, unknown: Unknown = "default") -> str:
    return found.decode(found.encode(text, unknown))


# --- known characters -----------------------------------------------------------------


@given(st.lists(st.characters(exclude_categories=["Cs"]), min_size=1, unique=True), st.data())
def test_known_text_round_trips(chars: list[str], data: st.DataObject) -> None:
    found = vocabulary(chars)
    text = data.draw(st.text(st.sampled_from(chars)))
    tokens = found.encode(text, data.draw(st.sampled_from(UNKNOWN_POLICIES)))
    assert tokens.dtype == np.int64
    assert tokens.tolist() == [chars.index(char) for char in text]
    assert found.decode(tokens) == text
    assert len(found) == len(chars)


def test_all_of_unicode() -> None:
    """Every code point in one vocabulary and in one text."""
    chars = [chr(i) for i in range(0x110000) if not 0xD800 <= i <= 0xDFFF]
    found = vocabulary(chars)
    tokens = found.encode("".join(chars))
    assert np.array_equal(tokens, np.arange(len(chars)))
    assert found.decode(tokens) == "".join(chars)


def test_vocabulary_of_one_character() -> None:
    found = vocabulary("x")
    assert found.encode("xxx").tolist() == [0, 0, 0]
    assert spelled(found, "axbX\U0010ffff", "skip") == "x"
    assert spelled(found, "axbX", "fold") == "xx"


def test_empty_text() -> None:
    for policy in UNKNOWN_POLICIES:
        tokens = vocabulary("ab").encode("", policy)
        assert tokens.shape == (0,)
        assert tokens.dtype == np.int64
    assert vocabulary("ab").decode(np.zeros(0, np.int64)) == ""


def test_long_text() -> None:
    text = "abc\u4e00\U0001f600" * 400_000
    found = vocabulary("abc\u4e00\U0001f600")
    assert found.decode(found.encode(text)) == text
    assert spelled(found, text + "?" * 1000, "fold") == text


def test_caller_may_change_the_tokens() -> None:
    found = vocabulary("ab")
    found.encode("ab")[:] = 0
    assert found.encode("ab").tolist() == [0, 1]


# --- unknown characters ---------------------------------------------------------------

CHARS = ("\ufffd", "\n", "a", "b", "e", "s", "S", "f", "i", "B", "\u4e00", "\U0001f600")


@given(ANY_TEXT)
@example("".join(AWKWARD))
def test_unknown_token_replaces_unknown_characters(text: str) -> None:
    found = vocabulary(CHARS, unknown=0)
    expected = [CHARS.index(char) if char in CHARS else 0 for char in text]
    assert found.encode(text).tolist() == expected
    assert found.encode(text, "default").tolist() == expected


@given(ANY_TEXT)
@example("".join(AWKWARD))
def test_skip(text: str) -> None:
    for unknown in (None, 0):
        found = vocabulary(CHARS, unknown)
        expected = [CHARS.index(char) for char in text if char in CHARS]
        assert found.encode(text, "skip").tolist() == expected


@given(ANY_TEXT)
@example("ab\ud800")
@example("\ud83d\ude00")  # two halves of a pair are two unknown characters, not an emoji
@example("a\nb\x00")
@example("\u2028")
def test_error_names_the_first_unknown_character(text: str) -> None:
    positions = [i for i, char in enumerate(text) if char not in CHARS]
    for found, policy in ((vocabulary(CHARS, 0), "error"), (vocabulary(CHARS), "default")):
        if not positions:
            assert spelled(found, text, policy) == text  # type: ignore[arg-type]
            continue
        with pytest.raises(UnknownCharacterError) as caught:
            found.encode(text, policy)  # type: ignore[arg-type]
        message = str(caught.value)
        first = positions[0]
        assert f"(U+{ord(text[first]):04X}) at position {first} " in message
        assert len(message.splitlines()) == 1
        message.encode()  # can be printed


@given(ANY_TEXT)
@example("".join(AWKWARD))
def test_fold_gives_known_text_and_keeps_it(text: str) -> None:
    for unknown in (None, 0):
        found = vocabulary(CHARS, unknown)
        folded = spelled(found, text, "fold")
        assert set(folded) <= set(CHARS)
        assert spelled(found, folded, "fold") == folded
        # Each character is folded by itself.
        assert folded == "".join(spelled(found, char, "fold") for char in text)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("é", "e"),
        ("É", "e"),
        ("e\u0301", "e"),
        ("A", "a"),
        ("s", "s"),
        ("ß", "SS"),
        ("ﬁ", "fi"),
        ("ＡＢ", "aB"),
        ("ⓑ", "b"),
        ("x", ""),
        ("\ud800", ""),
        ("\0", ""),
        ("\u0301", ""),
        ("\u0130", "i"),  # İ
        ("😀", "😀"),
        ("😁", ""),
        ("\ufffd", "\ufffd"),
    ],
)
def test_fold_takes_the_nearest_character(text: str, folded: str) -> None:
    assert spelled(vocabulary(CHARS), text, "fold") == folded


@pytest.mark.parametrize(("known", "text"), [("E", "é"), ("e", "É"), ("É", "é"), ("é", "É")])
def test_fold_changes_case_and_accent(known: str, text: str) -> None:
    assert spelled(vocabulary(known), text, "fold") == known


@pytest.mark.parametrize("policy", ["", "ignore", "SKIP", None, 3])
def test_unknown_policy_is_refused(policy: Any) -> None:
    with pytest.raises(OptionError, match="unknown must be one of default, error, skip, fold"):
        vocabulary("ab").encode("a", policy)


# --- rules of the file ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("a\r\nb", "a\nb"),
        ("a\rb", "a\nb"),
        ("a\nb", "a\nb"),
        ("\r\r\n\n", "\n\n\n"),
        ("\n\r", "\n\n"),
        ("\r", "\n"),
        ("\r\n" * 3, "\n" * 3),
    ],
)
def test_line_ends(text: str, read: str) -> None:
    assert spelled(vocabulary("\nab", newlines="lf"), text) == read
    kept = vocabulary("\r\nab", newlines="keep")
    assert spelled(kept, text) == text


@given(ANY_TEXT)
@example("".join(AWKWARD))
def test_normalised_text_does_not_change(text: str) -> None:
    found = vocabulary("a", 0, "NFC", "lf")
    read = found.normalize(text)
    assert found.normalize(read) == read
    assert "\r" not in read
    unix = text.replace("\r\n", "\n").replace("\r", "\n")
    assert read == unicodedata.normalize("NFC", unix)
    assert found.encode(text).tolist() == found.encode(read).tolist()


def test_composed_and_decomposed_are_equal_under_nfc() -> None:
    composed = vocabulary("eé", normalization="NFC")
    assert composed.encode("e\u0301é").tolist() == [1, 1]
    plain = vocabulary(["e", "\u0301", "é"])
    assert plain.encode("e\u0301é").tolist() == [0, 1, 2]


def test_position_counts_in_the_normalised_text() -> None:
    with pytest.raises(UnknownCharacterError, match="'x'.* at position 2 "):
        vocabulary("\na", newlines="lf").encode("a\r\nx")


# --- through a model ------------------------------------------------------------------


@pytest.mark.parametrize("text", AWKWARD)
def test_any_prompt_can_be_continued(wide: CharLM, lm: CharLM, text: str) -> None:
    assert len(wide.generate(text, length=3, seed=1)) == 3
    for policy in ("skip", "fold"):
        assert len(lm.generate(text, length=3, seed=1, unknown=policy)) == 3


def test_model_without_unknown_token_refuses_unknown_characters(lm: CharLM) -> None:
    assert dataclasses.asdict(lm.metadata.text)["unknown"] is None
    for call in (lm.generate, lm.score, lm.next, lm.stream, lm.session().feed):
        with pytest.raises(UnknownCharacterError, match=r"U\+0416"):
            call("abcЖ")


def test_drawn_text_can_be_fed_again(wide: CharLM) -> None:
    text = wide.generate(length=400, seed=5, temperature=2)
    assert any(ord(char) > 0xFFFF for char in text)
    session = wide.session(seed=1)
    session.feed(text, unknown="error")
    assert session.generate(5) == wide.generate(text, length=5, seed=1)


# --- many texts at once ---------------------------------------------------------------


@given(st.lists(ANY_TEXT, max_size=6), st.sampled_from(UNKNOWN_POLICIES), st.booleans())
@example([*AWKWARD], "default", True)
@example(["e", "\u0301", "\r", "\n"], "fold", False)
def test_encode_all_is_encode_of_each(texts: list[str], unknown: Unknown, known: bool) -> None:
    for newlines in ("keep", "lf"):
        found = vocabulary(CHARS, 0 if known else None, normalization="NFC", newlines=newlines)
        try:
            expected = [found.encode(text, unknown).tolist() for text in texts]
        except UnknownCharacterError as error:
            with pytest.raises(UnknownCharacterError) as caught:
                found.encode_all(texts, unknown)
            assert str(caught.value) == str(error)
            continue
        ragged = found.encode_all(texts, unknown)
        places = zip(ragged.starts, ragged.lengths, strict=True)
        assert [ragged.tokens[a : a + n].tolist() for a, n in places] == expected


def test_encode_all_refuses_an_unknown_policy() -> None:
    with pytest.raises(OptionError, match="unknown must be one of"):
        vocabulary("ab").encode_all(["a"], "drop")  # type: ignore[arg-type]


# --- prompts --------------------------------------------------------------------------


def test_empty_prompt_becomes_the_start_text(lm: CharLM) -> None:
    found, charlm = Vocabulary(lm.metadata), lm.metadata.charlm
    assert charlm is not None
    assert found.encode_prompt("").tolist() == found.encode(charlm.start).tolist()
    assert found.encode_prompt("Ж", "skip").tolist() == found.encode(charlm.start).tolist()
    assert found.encode_prompt("abc").tolist() == found.encode("abc").tolist()


# --- canonical forms ------------------------------------------------------------------

COMPOSED = ("\ufffd", "\n", "e", "é", "ẹ", "ö", "가", "Å", "\u0301")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("e\u0301", "e\u0301"),  # both are known, so nothing changes
        ("o\u0308", "ö"),
        ("\u1100\u1161", "가"),
        ("\u212b", "Å"),  # the sign of the unit
        ("A\u030a", "Å"),
        ("eo\u0308e", "eöe"),
        ("o\u0308o\u0308", "öö"),
        ("e\u0323", "ẹ"),
    ],
)
@pytest.mark.parametrize("policy", UNKNOWN_POLICIES)
def test_composed_form_is_taken(text: str, expected: str, policy: Unknown) -> None:
    for unknown in (0, None):
        found = vocabulary(COMPOSED, unknown)
        assert spelled(found, text, policy) == expected
        assert found.decode(found.encode_all(["e", text], policy).tokens) == "e" + expected


@pytest.mark.parametrize("policy", UNKNOWN_POLICIES)
def test_decomposed_form_is_taken(policy: Unknown) -> None:
    found = vocabulary(("e", "\u0301", "\ufffd"), 2)
    assert spelled(found, "é", policy) == "e\u0301"
    assert found.decode(found.encode_all(["é", "e"], policy).tokens) == "e\u0301e"


def test_form_that_is_not_known_is_unknown() -> None:
    found = vocabulary(("\ufffd", "o", "x"), 0)
    assert spelled(found, "xo\u0308") == "xo\ufffd"
    assert spelled(found, "xo\u0308", "fold") == "xo"
    assert found.encode_all(["xo\u0308ö"]).tokens.tolist() == [2, 1, 0, 0]
    composed = vocabulary("öx")
    with pytest.raises(UnknownCharacterError, match=r"'\?' .* at position 3 "):
        composed.encode("o\u0308x?", "error")


# --- stop texts -----------------------------------------------------------------------


def test_stop_texts_follow_the_rules_of_the_text() -> None:
    found = vocabulary("\naö", newlines="lf")
    assert found.stops("a\r\n") == ("a\n",)
    assert found.stops(["o\u0308", "\r"]) == ("ö", "\n")
    assert found.stops(()) == ()


@pytest.mark.parametrize(
    ("stop", "message"),
    [
        ("aЖ", r"can never write the stop text 'aЖ': character 'Ж' \(U\+0416\) at position 1"),
        (["a", ""], "a stop text is empty; leave it out"),
        (["a", 7], "a stop text must be a text, got 7"),
        ("\\n", "can never write"),
        ("A", "can never write"),
    ],
)
def test_stop_text_that_is_refused(stop: Any, message: str) -> None:
    for unknown in (None, 0):
        with pytest.raises(OptionError, match=message):
            vocabulary("\na", unknown).stops(stop)


RUNS_OF_ACCENTS = ("e\u0301" * 20_000, "a" + "\u0301" * 40_000, "\u0301\u0327" * 20_000)


@pytest.mark.parametrize("text", RUNS_OF_ACCENTS, ids=["pairs", "one run", "no base"])
def test_many_accents(text: str) -> None:
    """The work is linear in the text; it took minutes when each accent looked at all others."""
    found = vocabulary("ae")
    with pytest.raises(UnknownCharacterError):
        found.encode(text, "error")
    assert spelled(found, text, "skip") == "".join(char for char in text if char in "ae")


@pytest.mark.parametrize(
    ("chars", "text", "share"),
    [("eé", "e\u0301e", 1.0), ("e\u0301", "ée?", 3 / 4), ("é", "e\u0301x", 1 / 2), ("eé", "", 0.0)],
)
def test_known_share_counts_canonical_forms(chars: str, text: str, share: float) -> None:
    found = vocabulary(chars).known_shares([text, chars[0]], "skip")
    assert found.tolist() == pytest.approx([share, 1.0])
