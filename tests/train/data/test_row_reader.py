"""Batches of labelled texts."""

import numpy as np
import pytest

from rnn_train.data.alphabet import BEGIN, END, Alphabet
from rnn_train.data.encoded_rows import EncodedRows
from rnn_train.data.row_reader import RowBatches, RowReader
from rnn_train.data.rows import Rows

ROWS = EncodedRows.of(Rows(("ab", "", "cde", "x"), ("l",) * 4))
ALPHABET = Alphabet.of(ROWS.take([0, 1, 2]))


def read(chosen: list[int], begins: int | list[int] = 0, longest: int | None = None) -> list[str]:
    given = begins if isinstance(begins, int) else np.array(begins)
    tokens, lengths = RowReader(ROWS, ALPHABET).read(np.array(chosen), given, longest)
    assert all((row[length:] == 0).all() for row, length in zip(tokens, lengths, strict=True))
    assert tokens.shape[1] == max(1, int(lengths.max()))
    return [
        "".join(ALPHABET.vocabulary[i] for i in row[:length])
        for row, length in zip(tokens, lengths, strict=True)
    ]


def test_whole_texts() -> None:
    texts = [BEGIN + text + END for text in ("cde", "", "\N{REPLACEMENT CHARACTER}", "ab")]
    assert read([2, 1, 3, 0]) == texts


def test_windows() -> None:
    assert read([2, 0], [1, 0], 2) == ["cd", BEGIN + "a"]
    assert read([2], 3, 5) == ["e" + END]
    pieces = [read([2], begin, 2)[0] for begin in range(0, 5, 2)]
    assert "".join(pieces) == BEGIN + "cde" + END


@pytest.mark.parametrize("tokens", [1, 7, 40, 10_000])
def test_batches_have_every_row_once_an_epoch_and_a_bounded_size(tokens: int) -> None:
    lengths = np.random.default_rng(0).integers(1, 30, 100)
    batches = RowBatches(lengths, 8, tokens, seed=1)
    seen: list[int] = []
    for step in range(batches.per_epoch):
        rows = batches.rows(step)
        assert 1 <= len(rows) <= 8
        assert len(rows) == 1 or len(rows) * lengths[rows].max() <= tokens
        seen += rows.tolist()
    assert sorted(seen) == list(range(100))
    if tokens == 10_000:
        assert batches.per_epoch == 13


def test_long_rows_are_read_in_windows() -> None:
    lengths = np.array([3, 25, 8, 21, 10, 4, 11])
    batches = RowBatches(lengths, 2, 20, seed=1, window=10)
    read = {row: list[int]() for row in range(7)}
    before = (np.zeros(0, int), 0)
    for step in range(batches.per_epoch):
        rows, number = batches.at(step)
        assert len(rows) * min(10, lengths[rows].max()) <= 20
        if number:
            assert np.array_equal(rows, before[0]), "the windows of a batch follow each other"
            assert number == before[1] + 1
        before = rows, number
        for row in rows[lengths[rows] > 10 * number]:
            read[row].append(number)
    windows = {row: list(range(-(-length // 10))) for row, length in enumerate(lengths)}
    assert read == windows, "every row is read whole, in order"


def test_batches_follow_from_seed_and_step() -> None:
    lengths = np.random.default_rng(0).integers(1, 30, 100)
    first, again, other = (RowBatches(lengths, 8, 60, seed) for seed in (1, 1, 2))
    steps = range(3 * first.per_epoch)
    expected = [first.rows(step).tolist() for step in steps]
    assert [again.rows(step).tolist() for step in reversed(steps)] == expected[::-1]
    assert [other.rows(step).tolist() for step in steps] != expected


def test_each_row_weighs_the_same_whatever_its_length() -> None:
    lengths = np.concatenate([np.full(60, 2), np.full(10, 30)])
    batches = RowBatches(lengths, 16, 64, seed=1)
    sizes = [len(batches.rows(step)) for step in range(batches.per_epoch)]
    assert (min(sizes), max(sizes)) == (2, 16)
    each = [batches.weight(size) / size for size in sizes]
    assert each == pytest.approx([each[0]] * len(sizes))
    assert np.mean([batches.weight(size) for size in sizes]) == pytest.approx(1)


def test_batches_that_are_not_limited_weigh_the_same() -> None:
    batches = RowBatches(np.full(70, 2), 16, 64, seed=1)
    assert {batches.weight(size) for size in (6, 16)} == {1.0}


def test_windows_of_a_batch_count_as_one_batch() -> None:
    lengths = np.array([100, 2, 2, 2])
    batches = RowBatches(lengths, 4, 20, seed=1, window=10)
    assert batches.per_epoch == 11
    assert batches.weight(2) == pytest.approx(1)
