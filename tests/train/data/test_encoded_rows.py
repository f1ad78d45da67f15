"""Labelled texts as integers."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

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
