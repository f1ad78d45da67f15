"""Texts cut into documents."""

import numpy as np
import pytest

from rnn_infer.text.documents import cut, from_last_document
from rnn_infer.text.ragged import Ragged


@pytest.mark.parametrize(
    ("tokens", "last"),
    [([], [0]), ([5], [0, 5]), ([0, 5], [0, 5]), ([0, 5, 0, 6, 7], [0, 6, 7]), ([5, 0], [0])],
)
def test_last_document(tokens: list[int], last: list[int]) -> None:
    assert from_last_document(np.array(tokens, np.int64), 0).tolist() == last


def test_every_document_has_a_mark_before_and_after_it() -> None:
    rows = [[0, 5, 6, 0, 7, 0], [5, 0, 6], [0], [], [8], [0, 0, 9]]
    texts = Ragged.of([np.array(row, np.int64) for row in rows])
    documents, owners = cut(texts, 0)
    found = np.split(documents.tokens, np.cumsum(documents.lengths)[:-1])
    assert [each.tolist() for each in found] == [
        [0, 5, 6, 0],
        [0, 7, 0],
        [0, 5, 0],
        [0, 6],
        [0, 8],
        [0, 0],
        [0, 9],
    ]
    assert owners.tolist() == [0, 0, 1, 1, 4, 5, 5]
