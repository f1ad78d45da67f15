"""Hashes of n-grams and of the word so far."""

import pytest
import torch

from rnn_infer import contract
from rnn_train.models.hashing import MAX_PREFIX, MAX_ROWS, NGramHash

SPACE = 3


def entries(hashed: NGramHash, *codes: int) -> torch.Tensor:
    """Return the entries of a text that begins here, [time, tables]."""
    run = torch.tensor([[0] * hashed.places + list(codes)])
    return torch.stack(hashed.of_sequences(run), -1)[0]


@pytest.mark.parametrize(("prefix", "rows"), [(0, (50, 101)), (4, (2**18, 2**10, 97))])
def test_one_time_is_that_of_the_sequence(prefix: int, rows: tuple[int, ...]) -> None:
    hashed = NGramHash(rows, prefix, SPACE)
    torch.manual_seed(0)
    codes = torch.randint(0, 6, (5, 40))
    codes[0] = 100_000  # the largest: float32 must hold their hashes exactly
    whole = torch.stack(hashed.of_sequences(codes))
    for time in range(40 - hashed.places):
        newest = codes[:, time + 1 : time + 1 + hashed.places].flip(-1).float()
        torch.testing.assert_close(hashed.of_codes(newest), whole[:, :, time])
    for table, (begin, size) in enumerate(zip(hashed.begins.tolist(), rows, strict=True)):
        assert begin <= whole[table].min()
        assert whole[table].max() < begin + size


def test_the_word_so_far_begins_after_a_space() -> None:
    hashed = NGramHash((MAX_ROWS, 64), 8, SPACE)
    first = entries(hashed, 1, 2, SPACE, 1, 2, 5)[:, 0].tolist()
    assert first[:2] == first[3:5]
    assert first[2] == 0
    assert len({*first}) == 4
    assert first[5] == (1 * 61 + 2) * 61 + 5
    # Pairs go on over a space.
    second = entries(hashed, 1, 2, SPACE, 1, 2, 5)[:, 1].tolist()
    assert second[0] != second[3]
    assert second[1] == second[4]


def test_of_a_long_word_the_last_characters_count() -> None:
    hashed = NGramHash((MAX_ROWS,), 3, SPACE)
    assert entries(hashed, 1, 2, 4, 5, 6)[-1] == entries(hashed, 4, 5, 6)[-1]
    assert entries(hashed, 4, 5, 6)[-1] != entries(hashed, 5, 6)[-1]


def test_without_a_space_a_word_goes_on() -> None:
    hashed = NGramHash((MAX_ROWS,), 4)
    assert entries(hashed, 7, 3, 2, 1)[-1] == entries(hashed, 9, 7, 3, 2, 1)[-1]
    assert entries(hashed, 7, 3, 2, 1)[-1] != entries(hashed, 3, 2, 1)[-1]


def test_large_tables_have_a_power_of_two_of_rows() -> None:
    with pytest.raises(AssertionError):
        NGramHash((2**16 - 1,))
    with pytest.raises(AssertionError):
        NGramHash((2 * MAX_ROWS,))


def test_words_stay_below_the_largest_integer() -> None:
    hashed = NGramHash((64, 64), MAX_PREFIX, SPACE)
    code = contract.MAX_VOCABULARY
    assert sum(code * hashed.bases[0] ** place for place in range(MAX_PREFIX)) < 2**63
    with pytest.raises(AssertionError):
        NGramHash((64,), MAX_PREFIX + 1)
