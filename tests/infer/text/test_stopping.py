"""Stop texts: the first that is complete ends a text, in whatever pieces it comes."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rnn_infer import OptionError
from rnn_infer.text.stopping import StopScanner

LETTERS = st.text("ab", max_size=30)
STOPS = st.lists(st.text("ab", min_size=1, max_size=5), max_size=4)


def reference(text: str, stops: list[str]) -> tuple[str, str | None, int]:
    """Return the text before the stop text, the stop text, and the characters used."""
    for end in range(1, len(text) + 1):
        ended = [stop for stop in stops if text[:end].endswith(stop)]
        if ended:
            stop = max(ended, key=len)
            return text[: end - len(stop)], stop, end
    return text, None, len(text)


def scan(scanner: StopScanner, pieces: list[str]) -> tuple[str, str | None, int]:
    given_out, read = "", 0
    for piece in pieces:
        scanned = scanner.scan(piece)
        given_out += scanned.text
        read += scanned.used
        if scanned.stopped is not None:
            assert 1 <= scanned.used <= len(piece)
            assert scanner.rest() == ""
            return given_out, scanned.stopped, read
        assert scanned.used == len(piece)
    return given_out + scanner.rest(), None, read


@st.composite
def cut(draw: st.DrawFn) -> list[str]:
    """Draw a text in pieces, some of them empty."""
    text = draw(LETTERS)
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=6)))
    bounds = [0, *places, len(text)]
    return [text[a:b] for a, b in pairwise(bounds)]


@given(cut(), STOPS)
@example(["aab"], ["aab", "ab", "b"])
@example(["a", "a", "b"], ["aab", "ab", "b"])
@example(["ab", "ab", "aa"], ["abaab", "aba"])
@example(["aaab"], ["aab"])
@example(["aa", "ab"], ["aab"])
def test_first_stop_text_ends_the_text_in_any_pieces(pieces: list[str], stops: list[str]) -> None:
    assert scan(StopScanner(stops), pieces) == reference("".join(pieces), stops)


@given(cut(), STOPS)
def test_possible_start_of_a_stop_text_is_held_back(pieces: list[str], stops: list[str]) -> None:
    scanner, text, given_out = StopScanner(stops), "", ""
    for piece in pieces:
        scanned = scanner.scan(piece)
        text, given_out = text + piece, given_out + scanned.text
        if scanned.stopped is not None:
            return
        held = text.removeprefix(given_out)
        assert text == given_out + held
        # No more is held back than necessary.
        ends = [text[i:] for i in range(len(text) + 1)]
        begun = [end for end in ends if any(stop.startswith(end) for stop in stops)]
        assert held == (max(begun, key=len) if begun else "")


def test_no_stop_texts() -> None:
    scanner = StopScanner(())
    assert scanner.scan("abc") == ("abc", None, 3)
    assert scanner.rest() == ""


def test_stop_text_may_be_a_string() -> None:
    assert StopScanner("ab").scan("xaby") == ("x", "ab", 3)


def test_stop_text_at_the_start() -> None:
    assert StopScanner("a").scan("ab") == ("", "a", 1)


def test_longest_of_stop_texts_that_end_together() -> None:
    assert StopScanner(["b", "aab", "ab"]).scan("aab") == ("", "aab", 3)


def test_stop_text_across_three_pieces() -> None:
    scanner = StopScanner("END.")
    assert scanner.scan("text E") == ("text ", None, 6)
    assert scanner.scan("N") == ("", None, 1)
    assert scanner.scan("D. more") == ("", "END.", 2)


def test_held_text_is_returned_at_the_end() -> None:
    scanner = StopScanner("END.")
    assert scanner.scan("END").text == ""
    assert scanner.rest() == "END"
    assert scanner.rest() == ""
    assert scanner.scan(".").stopped is None


def test_stop_text_longer_than_the_text() -> None:
    scanner = StopScanner("a" * 100_000)
    assert scanner.scan("aaab") == ("aaab", None, 4)
    assert scanner.scan("aaa") == ("", None, 3)


def test_stop_text_of_any_characters() -> None:
    assert StopScanner("😀\n").scan("a😀\nb") == ("a", "😀\n", 3)
    assert StopScanner("\ud83d").scan("😀").stopped is None


@pytest.mark.parametrize("stops", ["", [""], ["a", ""], ("", "b")])
def test_empty_stop_text(stops: Any) -> None:
    with pytest.raises(OptionError, match="a stop text is empty; leave it out"):
        StopScanner(stops)
