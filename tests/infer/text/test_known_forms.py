"""Known forms of unknown characters."""

import numpy as np
import pytest

from rnn_infer.text.known_forms import KnownForms


def forms(known: str) -> KnownForms:
    return KnownForms(lambda text: set(text) <= set(known))


def places(text: str, known: str) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    return np.array([i for i, char in enumerate(text) if char not in known], np.intp)


@pytest.mark.parametrize(
    ("known", "text", "replaced"),
    [
        ("caf\u00e9", "cafe\u0301", "caf\u00e9"),
        ("cafe\u0301", "caf\u00e9", "cafe\u0301"),
        ("caf\u00e9", "caf\u00e8", "caf\u00e8"),
        ("\uac01x", "x\u1100\u1161\u11a8x", "x\uac01x"),
    ],
)
def test_composed_and_decomposed_forms(known: str, text: str, replaced: str) -> None:
    assert forms(known).replaced(text, places(text, known)) == replaced


def test_first_place_without_a_known_form() -> None:
    known, text = "cafe\u0301", "caf\u00e9 \u00e8"
    assert forms(known).first_without(text, places(text, known)) == 4


@pytest.mark.parametrize(("text", "possible"), [("\u00e9", True), ("e\u0302", True), ("#", False)])
def test_whether_a_form_is_possible(text: str, possible: bool) -> None:
    known = "e\u0301"
    assert forms(known).possible(text, places(text, known)) is possible


def test_far_accents_do_not_count() -> None:
    known, text = "\u00e9", "e" + "\u0301" * 40
    assert forms(known).replaced(text, places(text, known)) == text


@pytest.mark.parametrize(
    ("char", "folded"), [("\u00c9", "e"), ("\ufb01", "fi"), ("A", "a"), ("?", ""), ("\u0301", "")]
)
def test_fold(char: str, folded: str) -> None:
    assert forms("efia").fold(char) == folded
