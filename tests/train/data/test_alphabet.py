"""Characters and labels of a classifier."""

import numpy as np
import pytest
import torch

from rnn_train.data.alphabet import BEGIN, END, Alphabet, label_indices, pad
from rnn_train.data.corpus import UNKNOWN
from rnn_train.data.rows import Rows

ROWS = Rows(("ba", "c", "e\u0301"), ("y", "x", "y"))
ALPHABET = Alphabet.of(ROWS)


def test_alphabet_of_rows() -> None:
    assert ALPHABET.vocabulary == (BEGIN, END, "a", "b", "c", "\u00e9", UNKNOWN)
    assert ALPHABET.labels == ("x", "y")
    assert ALPHABET.unknown == 6


def test_encoding_adds_marks_and_normalizes() -> None:
    first, second, third = ALPHABET.encode(["ab", "\u00e9", "e\u0301"])
    assert first.tolist() == [0, 2, 3, 1]
    assert second.tolist() == third.tolist() == [0, 5, 1]
    assert first.dtype == np.int64


def test_new_characters_become_the_unknown_token() -> None:
    (tokens,) = ALPHABET.encode(["aZЖ"])
    assert tokens.tolist() == [0, 2, 6, 6, 1]


def test_empty_text_is_the_two_marks() -> None:
    assert ALPHABET.encode([""])[0].tolist() == [0, 1]


def test_log_prior() -> None:
    assert np.exp(ALPHABET.log_prior(ROWS)) == pytest.approx([1 / 3, 2 / 3])


def test_padding() -> None:
    tokens, lengths = pad(ALPHABET.encode(["a", "abc", ""]), torch.device("cpu"))
    assert tokens.tolist() == [[0, 2, 1, 0, 0], [0, 2, 3, 4, 1], [0, 1, 0, 0, 0]]
    assert lengths.tolist() == [3, 5, 2]
    assert tokens.dtype == torch.int64


def test_label_indices() -> None:
    assert label_indices(ROWS, ALPHABET).tolist() == [1, 0, 1]
    with pytest.raises(KeyError):
        label_indices(Rows(("a",), ("new",)), ALPHABET)
