"""The rows of each process."""

import itertools

import pytest

from rnn_train.distributed.share import WHOLE, Share


@pytest.mark.parametrize(("rows", "size"), [(10, 1), (10, 3), (2, 4), (0, 2)])
def test_each_row_is_in_one_share(rows: int, size: int) -> None:
    shares = [list(range(rows))[Share(rank, size).rows] for rank in range(size)]
    assert sorted(itertools.chain(*shares)) == list(range(rows))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert len(shares[0]) == max(map(len, shares)), "process 0 has work if any has"


def test_whole() -> None:
    assert list(range(5))[WHOLE.rows] == list(range(5))
