"""Synthetic texts: random walks over the n-grams of a label's texts."""

import numpy as np
import pytest

from rnn_train.data.encoded_rows import EncodedRows
from rnn_train.data.rows import Rows
from rnn_train.distillation.synthetic import LONGEST, synthetic_texts


@pytest.fixture(scope="module")
def rows() -> Rows:
    """200 texts; "a" has letters up to "m" and three of four texts."""
    random = np.random.default_rng(0)
    labels = ["b" if index % 4 == 0 else "a" for index in range(200)]
    texts = [
        "".join(chr(97 + i + 13 * (label == "b")) for i in random.integers(13, size=6))
        for label in labels
    ]
    return Rows(tuple(texts), tuple(labels))


def test_texts_are_new_and_different(rows: Rows) -> None:
    found = synthetic_texts(rows, 500, seed=1)
    assert len(found) == len(set(found)) == 500
    assert not set(found) & set(rows.texts)


def test_each_text_is_like_those_of_one_label(rows: Rows) -> None:
    found = synthetic_texts(rows, 500, seed=1)
    known = {text[i : i + 2] for text in rows.texts for i in range(5)}
    first = {text[0] for text in rows.texts}
    for text in found:
        assert text[0] in first
        assert {text[i : i + 2] for i in range(len(text) - 1)} <= known
    share = np.mean([text[0] <= "m" for text in found])
    assert 0.65 < share < 0.85


def test_seed_decides(rows: Rows) -> None:
    first, again, other = (synthetic_texts(rows, 50, seed) for seed in (1, 1, 2))
    assert first == again == synthetic_texts(EncodedRows.of(rows), 50, 1)
    assert first != other


@pytest.mark.parametrize(
    "texts", [(), ("",), ("", "a"), ("abc",), ("x" * (LONGEST + 1), "y" * 5000)]
)
def test_few_texts_give_few(texts: tuple[str, ...]) -> None:
    rows = Rows(texts, ("l",) * len(texts))
    assert synthetic_texts(rows, 10, seed=0) == ()


def test_no_text_is_too_long() -> None:
    rows = Rows(("a" * LONGEST, "aab"), ("l", "l"))
    found = synthetic_texts(rows, 50, seed=0)
    assert found
    assert max(map(len, found)) <= LONGEST


def test_unicode_forms_are_one_text() -> None:
    rows = Rows(("e\u0301a", "ae\u0301", "aa"), ("l",) * 3)
    found = synthetic_texts(rows, 20, seed=0)
    assert found
    assert not {"\u00e9a", "a\u00e9", "aa"} & set(found)
    assert not any("\u0301" in text for text in found)
