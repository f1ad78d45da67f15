"""Stop texts: the first to be completed ends a stream, however it is cut into pieces."""

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
    """What may be given out, the stop text, and the characters read: letter by letter."""
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
    """A text in pieces, some of them empty."""
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
def test_any_pieces_end_at_the_first_stop(pieces: list[str], stops: list[str]) -> None:
    assert scan(StopScanner(stops), pieces) == reference("".join(pieces), stops)


@given(cut(), STOPS)
def test_nothing_is_given_out_that_may_begin_a_stop(pieces: list[str], stops: list[str]) -> None:
    scanner, text, given_out = StopScanner(stops), "", ""
    for piece in pieces:
        scanned = scanner.scan(piece)
        text, given_out = text + piece, given_out + scanned.text
        if scanned.stopped is not None:
            return
        held = text.removeprefix(given_out)
        assert text == given_out + held
        # And no more is held than need be.
        ends = [text[i:] for i in range(len(text) + 1)]
        begun = [end for end in ends if any(stop.startswith(end) for stop in stops)]
        assert held == (max(begun, key=len) if begun else "")


def test_no_stops() -> None:
    scanner = StopScanner(())
    assert scanner.scan("abc") == ("abc", None, 3)
    assert scanner.rest() == ""


def test_one_stop_as_a_text() -> None:
    assert StopScanner("ab").scan("xaby") == ("x", "ab", 3)


def test_stop_at_once() -> None:
    assert StopScanner("a").scan("ab") == ("", "a", 1)


def test_of_stops_that_end_together_the_longest() -> None:
    assert StopScanner(["b", "aab", "ab"]).scan("aab") == ("", "aab", 3)


def test_stop_over_three_pieces() -> None:
    scanner = StopScanner("END.")
    assert scanner.scan("text E") == ("text ", None, 6)
    assert scanner.scan("N") == ("", None, 1)
    assert scanner.scan("D. more") == ("", "END.", 2)


def test_begun_stop_is_given_out_at_the_end() -> None:
    scanner = StopScanner("END.")
    assert scanner.scan("END").text == ""
    assert scanner.rest() == "END"
    assert scanner.rest() == ""
    assert scanner.scan(".").stopped is None


def test_stop_longer_than_any_text() -> None:
    scanner = StopScanner("a" * 100_000)
    assert scanner.scan("aaab") == ("aaab", None, 4)
    assert scanner.scan("aaa") == ("", None, 3)


def test_stop_of_any_characters() -> None:
    assert StopScanner("😀\n").scan("a😀\nb") == ("a", "😀\n", 3)
    assert StopScanner("\ud83d").scan("😀").stopped is None


@pytest.mark.parametrize("stops", ["", [""], ["a", ""], ("", "b")])
def test_empty_stop(stops: Any) -> None:
    with pytest.raises(OptionError, match="a stop text is empty; leave it out"):
        StopScanner(stops)
