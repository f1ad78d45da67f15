"""Streams of documents."""

import numpy as np
import pytest

from rnn_train.data.document_streams import DocumentStreams
from rnn_train.data.held_out import documents_of
from rnn_train.data.streams import ArrayRing

LENGTHS = [3, 1, 9, 4, 12, 2, 7]


def text() -> np.ndarray:
    """Document i holds the token i + 1; 0 is the mark."""
    return np.array([0, *(t for i, n in enumerate(LENGTHS) for t in [*[i + 1] * n, 0])])


def streams(batch: int = 2, window: int = 4, seed: int = 0) -> DocumentStreams:
    tokens = text()
    return DocumentStreams(ArrayRing(tokens), documents_of(tokens, 0), batch, window, seed)


@pytest.mark.parametrize(("batch", "window"), [(1, 4), (2, 4), (3, 5), (4, 30), (50, 3)])
def test_an_epoch_reads_each_document_once(batch: int, window: int) -> None:
    """As a document is read from the zero state: its mark first, its end mark is predicted."""
    subject = streams(batch, window)
    reading: list[list[int]] = [[] for _ in range(batch)]
    found: list[list[int]] = []
    for step in range(subject.windows):
        rows, fresh = subject.window(step)
        for row, tokens, new, count in zip(
            range(batch), rows, fresh, subject.counted(step), strict=True
        ):
            if new:
                reading[row] = []
            reading[row] += tokens[1 : count + 1].tolist()
            if count and reading[row][-1] == 0:
                found.append(reading[row])
                reading[row] = []
    # A document that begins in one stream and ends in the next one is found in its second part.
    whole = [list(map(int, each)) for each in found if len(each) == LENGTHS[each[0] - 1] + 1]
    assert len(found) == len(LENGTHS)
    assert len(whole) >= len(LENGTHS) - batch
    counted = sum(int(subject.counted(step).sum()) for step in range(subject.windows))
    assert counted == sum(LENGTHS) + len(LENGTHS)


def test_state_is_reset_where_a_document_begins() -> None:
    subject = streams(batch=1)
    for step in range(subject.windows):
        rows, fresh = subject.window(step)
        assert fresh.tolist() == [rows[0, 0] == 0]


def test_order_depends_on_seed_and_epoch() -> None:
    def order(subject: DocumentStreams, epoch: int) -> list[int]:
        steps = range(epoch * subject.windows, (epoch + 1) * subject.windows)
        return [int(subject.window(step)[0][0, 1]) for step in steps]

    assert order(streams(), 0) != order(streams(), 1)
    assert order(streams(), 1) == order(streams(), 1)
    assert order(streams(seed=1), 0) != order(streams(), 0)


def test_any_step_can_be_read_first() -> None:
    one, other = streams(), streams()
    for step in range(20):
        one.window(step)
    rows, fresh = one.window(13)
    assert np.array_equal(rows, other.window(13)[0])
    assert np.array_equal(fresh, other.window(13)[1])


def test_aligned_items_belong_to_the_inputs() -> None:
    subject = streams()
    items = ArrayRing(np.stack([text(), text() + 100], 1))
    for step in range(subject.windows):
        rows, _ = subject.window(step)
        found = subject.aligned(items, step)
        assert np.array_equal(found[..., 0], rows[:, :-1])
        assert np.array_equal(found[..., 1], rows[:, :-1] + 100)


def test_streams_over_another_copy() -> None:
    other = streams().over(ArrayRing(text() + 1000))
    assert np.array_equal(other.window(3)[0], streams().window(3)[0] + 1000)
