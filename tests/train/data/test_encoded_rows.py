"""Labelled texts as integers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_train.data import encoded_rows
from rnn_train.data.encoded_rows import EncodedRows
from rnn_train.data.rows import Rows, normal

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), min_size=1)


@given(TEXTS)
def test_rows_are_read_back(texts: list[str]) -> None:
    labels = tuple("xyz"[i % 3] for i in range(len(texts)))
    found = EncodedRows.of(Rows(tuple(texts), labels))
    assert (found.texts, found.labels) == (tuple(map(normal, texts)), labels)
    assert found.used_characters() == set("".join(map(normal, texts)))
    assert EncodedRows.of(found) is found


def test_some_rows() -> None:
    rows = EncodedRows.of(Rows(("ab", "c", "", "da"), ("x", "y", "x", "z")))
    some = rows.take([3, 0])
    assert (some.texts, some.labels, len(some)) == (("da", "ab"), ("z", "x"), 2)
    assert some.used_characters() == set("abd")
    assert some.label_counts().tolist() == [1, 0, 1]
    assert some.sha256() == Rows(some.texts, some.labels).sha256()
    assert some.sha256() != rows.take(np.array([0, 3])).sha256()
    assert rows.take([]).used_characters() == set()


def test_perplexity_of_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoded_rows, "_COUNTED", 3)
    rows = EncodedRows.of(Rows(("abcd", "", "dcba"), ("x", "y", "x")))
    assert rows.perplexity == pytest.approx(4)
    assert EncodedRows.of(Rows(("aaa",), ("x",))).perplexity == pytest.approx(1)
    assert EncodedRows.of(Rows(("aaab",), ("x",))).perplexity == pytest.approx(1.7548, abs=1e-4)
    assert EncodedRows.of(Rows(("",), ("x",))).perplexity == 1


def test_equal_texts_have_equal_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoded_rows, "_BLOCK", 2)
    first = EncodedRows.of(Rows(("a", "bc", "a", "", "é"), ("x",) * 5))
    other = EncodedRows.of(Rows(("bc", "e\u0301"), ("y",) * 2))
    keys = first.keys()
    assert keys[0] == keys[2]
    assert len(set(keys.tolist())) == 4
    assert other.keys().tolist() == [keys[1], keys[4]]
