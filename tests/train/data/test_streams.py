"""Parallel streams of a text, and the windows that are read from them."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_train.data.streams import ArrayRing, PartsRing, Streams
from rnn_train.errors import RunError


def test_rows_of_a_ring_wrap_around() -> None:
    ring = ArrayRing(np.arange(10))
    assert len(ring) == 10
    rows = ring.rows(np.array([2, 8]), 4)
    assert rows.tolist() == [[2, 3, 4, 5], [8, 9, 0, 1]]


def test_items_of_a_mapped_ring_may_be_vectors(tmp_path: Path) -> None:
    items = np.arange(30, dtype=np.float16).reshape(10, 3)
    (tmp_path / "items.bin").write_bytes(items.tobytes())
    mapped = np.memmap(tmp_path / "items.bin", np.float16, "r").reshape(-1, 3)
    starts = np.array([0, 4, 9])
    assert np.array_equal(ArrayRing(mapped).rows(starts, 5), ArrayRing(items).rows(starts, 5))


def test_aligned_items_belong_to_the_inputs_of_a_window() -> None:
    streams = Streams(ArrayRing(np.arange(100)), batch=3, window=20, seed=0)
    squares = ArrayRing(np.arange(100) ** 2)
    for step in range(2 * streams.windows):
        inputs = streams.window(step)[0][:, :-1]
        assert np.array_equal(streams.aligned(squares, step), inputs**2)


def test_the_same_streams_over_another_copy() -> None:
    streams = Streams(ArrayRing(np.arange(100)), batch=3, window=20, seed=5)
    other = streams.over(ArrayRing(np.arange(100) + 1000))
    for step in range(2 * streams.windows):
        assert np.array_equal(other.window(step)[0], streams.window(step)[0] + 1000)


@given(st.data(), st.integers(2, 200), st.integers(1, 8), st.integers(0, 2**63 - 1))
def test_each_window_continues_the_one_before(
    data: st.DataObject, length: int, batch: int, seed: int
) -> None:
    window = data.draw(st.integers(1, length - 1))
    streams = Streams(ArrayRing(np.arange(length)), batch, window, seed)
    epoch = data.draw(st.integers(0, 3)) * streams.windows
    before = None
    for step in range(epoch, epoch + streams.windows):
        rows, fresh = streams.window(step)
        assert rows.shape == (batch, window + 1)
        assert fresh == (step == epoch)
        # The first character follows the last.
        assert np.array_equal(rows[:, 1:], (rows[:, :-1] + 1) % length)
        if before is not None:
            assert np.array_equal(rows[:, 0], before[:, -1])
        before = rows
    assert streams.characters == batch * window


@given(st.integers(1, 8), st.integers(1, 20), st.integers(0, 60), st.integers(0, 5))
def test_epoch_has_each_character_as_target_once(
    batch: int, window: int, extra: int, epoch: int
) -> None:
    length = batch * window + extra
    streams = Streams(ArrayRing(np.arange(length)), batch, window, seed=1)
    steps = range(epoch * streams.windows, (epoch + 1) * streams.windows)
    targets = np.concatenate([streams.window(step)[0][:, 1:].ravel() for step in steps])
    assert len(np.unique(targets)) == len(targets)
    assert length - len(targets) < batch * (window + 1)


@pytest.mark.parametrize("count", [2, 300])
def test_memory_mapped_text_gives_the_same_windows(tmp_path: Path, count: int) -> None:
    tokens = np.tile(np.arange(count), 2000 // count).astype(np.min_scalar_type(count - 1))
    (tmp_path / "corpus.bin").write_bytes(tokens.tobytes())
    mapped = np.memmap(tmp_path / "corpus.bin", tokens.dtype, "r")[:1800]
    assert isinstance(mapped, np.memmap)
    kinds = [Streams(ArrayRing(tokens), 3, 50, seed=0) for tokens in (mapped, np.array(mapped))]
    for step in range(3 * kinds[0].windows):
        (rows, fresh), (expected, _) = (streams.window(step) for streams in kinds)
        assert np.array_equal(rows, expected)
        assert rows.dtype == mapped.dtype
        assert fresh == (step % kinds[0].windows == 0)


def test_streams_start_at_equal_distances() -> None:
    streams = Streams(ArrayRing(np.arange(1000)), batch=4, window=10, seed=0)
    starts = streams.window(0)[0][:, 0]
    assert np.array_equal(np.diff(starts) % 1000, [250, 250, 250])


def test_each_epoch_has_another_offset() -> None:
    streams = Streams(ArrayRing(np.arange(1000)), batch=2, window=50, seed=0)
    starts = {int(streams.window(epoch * streams.windows)[0][0, 0]) for epoch in range(8)}
    assert len(starts) == 8


def test_offset_depends_on_the_seed() -> None:
    def opening(seed: int) -> list[int]:
        streams = Streams(ArrayRing(np.arange(10_000)), batch=2, window=50, seed=seed)
        return [int(token) for token in streams.window(123)[0][:, 0]]

    assert opening(3) == opening(3)
    assert opening(3) != opening(4)


def test_windows_wrap_around_the_end() -> None:
    streams = Streams(ArrayRing(np.arange(100)), batch=3, window=20, seed=0)
    rows = np.concatenate([streams.window(step)[0] for step in range(20)])
    assert ((rows[:, 0] > rows[:, -1]) & (rows.max(1) == 99)).any(), "no window crossed the end"


@pytest.mark.parametrize(("length", "batch", "window"), [(5, 9, 3), (50, 4, 120), (7, 2, 7)])
def test_short_text_is_repeated(length: int, batch: int, window: int) -> None:
    rows, fresh = Streams(ArrayRing(np.arange(length)), batch, window, seed=0).window(1)
    assert fresh
    assert rows.shape == (batch, window + 1)
    assert np.array_equal(rows[:, 1:], (rows[:, :-1] + 1) % length)


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="reads /proc of Linux")
def test_reading_a_mapped_text_takes_little_memory(tmp_path: Path) -> None:
    path, size = tmp_path / "corpus.bin", 48 << 20
    path.write_bytes(b"\0\1" * (size // 2))
    streams = Streams(ArrayRing(np.memmap(path, np.uint8, "r")), 8, 1 << 12, seed=0)
    for step in range(streams.windows):
        rows = streams.window(step)[0]
        assert (rows[:, 1:] + rows[:, :-1] == 1).all()
    assert mapped_megabytes(path) < 8


def mapped_megabytes(path: Path) -> float:
    """Megabytes of a mapped file that count as memory of this process."""
    kilobytes, in_file = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if ":" in line.split()[0]:
            if in_file and line.startswith("Rss:"):
                kilobytes += int(line.split()[1])
        else:
            in_file = line.endswith(str(path))
    return kilobytes / 1024


@pytest.mark.parametrize("parts", [[[0, 7]], [[2, 5], [8, 9], [10, 20]], [[5, 6], [19, 20]]])
def test_parts_are_read_as_one_text(parts: list[list[int]]) -> None:
    whole = np.arange(20) ** 2
    ring = PartsRing(ArrayRing(whole), np.array(parts))
    expected = ArrayRing(np.concatenate([whole[a:b] for a, b in parts]))
    assert len(ring) == len(expected)
    starts = np.arange(len(ring))
    for length in (1, 2, len(ring), 2 * len(ring) + 1):
        assert np.array_equal(ring.rows(starts, length), expected.rows(starts, length))


def test_short_reads_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.arange(100, dtype=np.uint8).tofile(tmp_path / "text.bin")
    mapped = ArrayRing(np.memmap(tmp_path / "text.bin", np.uint8, "r"))
    raw = Path.open

    class Short(io.FileIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or 1, 7)) or b""

    def opened(self: Path, *_: object, **__: object) -> io.FileIO:
        return Short(str(self))

    monkeypatch.setattr(Path, "open", opened)
    assert mapped.rows(np.array([20]), 30).tolist() == [list(range(20, 50))]
    monkeypatch.setattr(Path, "open", raw)
    (tmp_path / "text.bin").write_bytes(b"")
    with pytest.raises(RunError, match="was cut; put it back"):
        mapped.rows(np.array([20]), 30)
