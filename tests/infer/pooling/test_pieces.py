"""Pieces: how a length is cut, stop texts in them, and the place they hold."""

import pytest

from rnn_infer import CharLM, PoolFullError
from rnn_infer.pooling.pieces import Pieces
from rnn_infer.text.stopping import StopScanner


def pieces(lm: CharLM, length: int, chunk: int, stop: str | tuple[str, ...] = ()) -> Pieces:
    pool = lm.pool(limit=1)
    stream = pool._prepare("the", seed=1)
    return Pieces(pool._batch, stream, length, StopScanner(stop), chunk, 0)


@pytest.mark.parametrize(
    ("length", "chunk", "expected"),
    [
        (0, 8, []),
        (5, 8, [5]),
        (120, 8, [8, 16, 32, 32, 32]),
        (100, 32, [32, 32, 32, 4]),
        (120, 50, [50, 50, 20]),
    ],
)
def test_later_blocks_are_longer(lm: CharLM, length: int, chunk: int, expected: list[int]) -> None:
    assert list(pieces(lm, length, chunk)._blocks()) == expected


def test_text_is_cut_into_pieces_up_to_a_stop_text(lm: CharLM) -> None:
    some = pieces(lm, 20, 4, "xyz")
    assert some._scanned("abcdefgh") == (["abcd", "efgh"], False)
    assert some._scanned("ijxy") == (["ij"], False)
    assert some._scanned("kzlmxyznop") == (["xykzlm"], True)  # "xy" was held back


def test_place_is_taken_at_the_first_piece_and_given_back(lm: CharLM) -> None:
    some = pieces(lm, 20, 4)
    batch, drawn = some.batch, some.draw()
    assert len(batch) == 0
    next(drawn)
    assert len(batch) == 1
    with pytest.raises(PoolFullError):
        batch.add(some.stream)
    assert sum(map(len, drawn)) == 16
    assert len(batch) == 0
