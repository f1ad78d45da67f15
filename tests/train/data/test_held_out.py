"""Which parts of a text are held out."""

import itertools

import numpy as np
import pytest

from rnn_train.data.held_out import (
    MAX_HELD_OUT,
    default_fraction,
    documents_of,
    hold_out_documents,
    hold_out_pieces,
    without,
)


def sizes(parts: np.ndarray) -> np.ndarray:
    found: np.ndarray = parts[:, 1] - parts[:, 0]
    return found


@pytest.mark.parametrize(
    ("characters", "held"),
    [(1000, 100), (20_000, 2000), (100_000, 4000), (1_000_000, 20_000), (10**9, 20_000)],
)
def test_default_is_little(characters: int, held: int) -> None:
    assert default_fraction(characters) * characters == pytest.approx(held)


@pytest.mark.parametrize("fraction", [0.0, 0.01, 0.1, 0.25, 0.5])
@pytest.mark.parametrize("characters", [1000, 12_345, 300_000])
def test_pieces_are_spread_over_the_text(characters: int, fraction: float) -> None:
    pieces = hold_out_pieces(np.array([0]), characters, fraction)
    held = min(round(characters * fraction), MAX_HELD_OUT)
    assert sizes(pieces).sum() == held
    rest = without(pieces, characters)
    assert sizes(rest).sum() == characters - held
    edges = np.sort(np.concatenate([pieces, rest]), 0)
    assert (edges[1:, 0] == edges[:-1, 1]).all(), "the two sides are the whole text"
    if held >= 2000:
        assert len(pieces) >= 4
        assert pieces[0, 0] < characters / 4
        assert pieces[-1, 1] > characters * 3 / 4
    if held:
        assert pieces[-1, 1] < characters, "the end is for training"


def test_every_file_is_held_out_in_part() -> None:
    """A tail in another alphabet is a small part of what is held out."""
    starts, end = np.array([0, 50_000, 940_000]), 970_000
    pieces = hold_out_pieces(starts, end, 0.02)
    shares = [
        sizes(pieces[(pieces[:, 0] >= a) & (pieces[:, 1] <= b)]).sum() / (b - a)
        for a, b in ((0, 50_000), (50_000, 940_000), (940_000, end))
    ]
    assert shares == pytest.approx([0.02] * 3, rel=0.05)


def test_small_files_share_their_pieces() -> None:
    starts = np.arange(400) * 900
    pieces = hold_out_pieces(starts, 360_000, 0.02)
    assert sizes(pieces).sum() == pytest.approx(7200, rel=0.1)
    assert (sizes(pieces) <= 450).all(), "at most half of a file"
    assert len(pieces) > 10
    assert pieces[:, 0].max() > 300_000


def test_empty_and_tiny_files() -> None:
    pieces = hold_out_pieces(np.array([0, 0, 3, 5000, 5000]), 10_000, 0.2)
    assert sizes(pieces).sum() == pytest.approx(2000, rel=0.1)


# --- documents ------------------------------------------------------------------------


def names(count: int) -> np.ndarray:
    """Tokens: 0 is the mark. Each name has 3 letters; each third one comes twice."""
    random = np.random.default_rng(0)
    distinct = random.integers(1, 200, (count, 3))
    rows = [(*name, 0) for i, name in enumerate(distinct.tolist()) for _ in range(1 + (i % 3 == 0))]
    return np.array([0, *itertools.chain.from_iterable(rows)], np.uint8)


def test_documents_are_found() -> None:
    tokens = np.array([0, 5, 6, 0, 7, 0])
    assert documents_of(tokens, 0).tolist() == [[0, 3], [3, 5]]


@pytest.mark.parametrize("fraction", [0.0, 0.05, 0.3])
def test_equal_documents_are_on_the_same_side(fraction: float) -> None:
    tokens = names(900)
    documents = documents_of(tokens, 0)
    held = hold_out_documents(tokens, documents, fraction)
    assert held.mean() == pytest.approx(fraction, abs=0.02)
    texts = [tokens[a + 1 : b].tobytes() for a, b in documents]
    sides = [{t for t, h in zip(texts, held, strict=True) if h is np.bool_(s)} for s in (0, 1)]
    assert not sides[0] & sides[1]


def test_a_single_document_is_for_training() -> None:
    tokens = np.array([0, *[1, 2] * 900, 0])
    assert not hold_out_documents(tokens, documents_of(tokens, 0), 0.5).any()
