"""A text as tokens on disk, and the windows read from them."""

import hashlib
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_train.data import corpus, sources
from rnn_train.data.corpus import UNKNOWN, Corpus, build_corpus, encode_text, open_corpus
from rnn_train.data.sources import TextFile
from rnn_train.data.streams import ArrayRing, Streams
from rnn_train.errors import DataError

TEXT = "Now is the winter of our discontent\r\nMade glorious summer by this sun of York;\n" * 20


def files(tmp_path: Path, *texts: str) -> list[TextFile]:
    found = []
    for index, text in enumerate(texts):
        path = tmp_path / f"text{index}.txt"
        path.write_bytes(text.encode())
        found.append(TextFile(path))
    return found


def build(tmp_path: Path, *texts: str, min_count: int = 1) -> Corpus:
    return build_corpus(files(tmp_path, *texts), tmp_path / "corpus.bin", min_count)


def decode(corpus: Corpus) -> str:
    return "".join(corpus.vocabulary[token] for token in corpus.tokens)


def distinct(count: int) -> str:
    return "".join(map(chr, range(0x4E00, 0x4E00 + count)))


def test_tokens_are_the_text(tmp_path: Path) -> None:
    expected = TEXT.replace("\r\n", "\n")
    built = build(tmp_path, TEXT)
    assert decode(built) == expected
    assert built.vocabulary == tuple(sorted(set(expected)))
    assert built.unknown is None
    assert built.sha256 == hashlib.sha256(expected.encode()).hexdigest()


def test_texts_are_joined_in_order(tmp_path: Path) -> None:
    assert decode(build(tmp_path, "b" * 700, "a\n" * 300, "c")) == "b" * 700 + "a\n" * 300 + "c"


@pytest.mark.parametrize("chunk", [4, 7, 64])
def test_chunks_make_no_difference(tmp_path: Path, chunk: int) -> None:
    text = "é𝄞ab\r\n" * 300
    whole = build(tmp_path, text)
    with mock.patch.object(sources, "CHUNK_BYTES", chunk):
        pieces = build_corpus(files(tmp_path, text), tmp_path / "pieces.bin")
    assert (pieces.vocabulary, pieces.sha256) == (whole.vocabulary, whole.sha256)
    assert np.array_equal(pieces.tokens, whole.tokens)


@pytest.mark.parametrize(("count", "dtype"), [(256, np.uint8), (257, np.uint16)])
def test_smallest_type(tmp_path: Path, count: int, dtype: type) -> None:
    built = build(tmp_path, distinct(count) * 5)
    assert built.tokens.dtype == dtype
    assert decode(built) == distinct(count) * 5
    assert (tmp_path / "corpus.bin").stat().st_size == 5 * count * np.dtype(dtype).itemsize


def test_text_is_mapped_not_read(tmp_path: Path) -> None:
    assert isinstance(build(tmp_path, TEXT).tokens, np.memmap)


def test_rare_characters_fold(tmp_path: Path) -> None:
    text = "ab" * 600 + "xyz" + "cc"
    built = build(tmp_path, text, min_count=2)
    assert built.vocabulary == ("a", "b", "c", UNKNOWN)
    assert built.unknown == 3
    assert decode(built) == "ab" * 600 + UNKNOWN * 3 + "cc"
    assert built.sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_nothing_rare_nothing_unknown(tmp_path: Path) -> None:
    built = build(tmp_path, "ab" * 600, min_count=600)
    assert built.vocabulary == ("a", "b")
    assert built.unknown is None


def test_sign_for_unknown_may_stand_in_the_text(tmp_path: Path) -> None:
    built = build(tmp_path, "ab" * 600 + UNKNOWN * 9 + "x", min_count=5)
    assert built.vocabulary == ("a", "b", UNKNOWN)
    assert decode(built) == "ab" * 600 + UNKNOWN * 10


@pytest.mark.parametrize("text", ["", "a", "ab" * 499 + "a"])
def test_too_short(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match=f"text0.txt: {len(text)} characters.*at least 1000"):
        build(tmp_path, text)
    assert not (tmp_path / "corpus.bin").exists()


def test_just_long_enough(tmp_path: Path) -> None:
    assert len(build(tmp_path, "ab" * 500).tokens) == 1000


@pytest.mark.parametrize(("text", "min_count"), [("a" * 2000, 1), (distinct(1500), 2)])
def test_one_character(tmp_path: Path, text: str, min_count: int) -> None:
    with pytest.raises(DataError, match="repeats one character"):
        build(tmp_path, text, min_count=min_count)
    assert not (tmp_path / "corpus.bin").exists()


def test_too_many_characters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "MAX_VOCABULARY", 20)
    with pytest.raises(DataError, match=r"21 distinct.*limit of 20.*--min-count"):
        build(tmp_path, distinct(21) * 50)
    assert len(build(tmp_path, distinct(20) * 50).vocabulary) == 20


def test_bad_text_writes_nothing(tmp_path: Path) -> None:
    good = files(tmp_path, TEXT)
    (tmp_path / "bad.txt").write_bytes(b"abc\xff")
    with pytest.raises(DataError, match=r"bad.txt: not UTF-8 at byte 3"):
        build_corpus([*good, TextFile(tmp_path / "bad.txt")], tmp_path / "corpus.bin")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.txt", "text0.txt"]


@pytest.mark.parametrize(("fraction", "held"), [(0.0, 0), (0.1, 100), (0.25, 250), (0.5, 500)])
def test_split(tmp_path: Path, fraction: float, held: int) -> None:
    built = build(tmp_path, "ab" * 500)
    train, rest = built.split(fraction)
    assert len(rest) == held
    assert np.array_equal(np.concatenate([train, rest]), built.tokens)


def test_open_again(tmp_path: Path) -> None:
    built = build(tmp_path, TEXT)
    opened = open_corpus(tmp_path / "corpus.bin", list(built.vocabulary), None, built.sha256)
    assert np.array_equal(opened.tokens, built.tokens)
    assert opened.tokens.dtype == built.tokens.dtype
    assert (opened.vocabulary, opened.sha256) == (built.vocabulary, built.sha256)


def encode(tmp_path: Path, text: str, built: Corpus) -> Corpus:
    (tmp_path / "more.txt").write_bytes(text.encode())
    more = [TextFile(tmp_path / "more.txt")]
    return encode_text(more, built.vocabulary, built.unknown, tmp_path / "more.bin")


def test_further_text(tmp_path: Path) -> None:
    built = build(tmp_path, TEXT)
    more = encode(tmp_path, "sun\r\nof York", built)
    assert decode(more) == "sun\nof York"
    assert more.tokens.dtype == built.tokens.dtype
    assert more.vocabulary == built.vocabulary
    assert more.sha256 == hashlib.sha256(b"sun\nof York").hexdigest()


@pytest.mark.parametrize("chunk", [4, 7])
def test_further_text_is_mapped_and_read_in_chunks(tmp_path: Path, chunk: int) -> None:
    built = build(tmp_path, "é𝄞ab\r\n" * 300)
    with mock.patch.object(sources, "CHUNK_BYTES", chunk):
        more = encode(tmp_path, "b\r\n𝄞é" * 9, built)
    assert isinstance(more.tokens, np.memmap)
    assert decode(more) == "b\n𝄞é" * 9


@pytest.mark.parametrize("text", ["", "s"])
def test_further_text_is_too_short(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match=rf"more\.txt: {len(text)} characters .*at least 2 are"):
        encode(tmp_path, text, build(tmp_path, TEXT))


def test_further_text_with_new_characters(tmp_path: Path) -> None:
    text = "aXbÜX"
    with pytest.raises(DataError, match=r"more.txt: 2 characters .*'X' 'Ü'.*--min-count"):
        encode(tmp_path, text, build(tmp_path, "ab" * 600))
    assert not (tmp_path / "more.bin").exists()
    folded = build(tmp_path, "ab" * 600 + "z", min_count=2)
    assert decode(encode(tmp_path, text, folded)) == f"a{UNKNOWN}b{UNKNOWN * 2}"


# --- windows --------------------------------------------------------------------------


@given(st.data(), st.integers(2, 200), st.integers(1, 8), st.integers(0, 2**63 - 1))
def test_windows_follow_one_another(
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
        # The text is a ring.
        assert np.array_equal(rows[:, 1:], (rows[:, :-1] + 1) % length)
        if before is not None:
            assert np.array_equal(rows[:, 0], before[:, -1])
        before = rows
    assert streams.characters == batch * window


@given(st.integers(1, 8), st.integers(1, 20), st.integers(0, 60), st.integers(0, 5))
def test_epoch_reads_each_character_once(batch: int, window: int, extra: int, epoch: int) -> None:
    length = batch * window + extra
    streams = Streams(ArrayRing(np.arange(length)), batch, window, seed=1)
    steps = range(epoch * streams.windows, (epoch + 1) * streams.windows)
    targets = np.concatenate([streams.window(step)[0][:, 1:].ravel() for step in steps])
    assert len(np.unique(targets)) == len(targets)
    assert length - len(targets) < batch * (window + 1)


@pytest.mark.parametrize("count", [2, 300])
def test_mapped_text_gives_the_same_windows(tmp_path: Path, count: int) -> None:
    built = build(tmp_path, distinct(count) * (2000 // count))
    mapped, _ = built.split(0.1)
    assert isinstance(mapped, np.memmap)
    kinds = [Streams(ArrayRing(tokens), 3, 50, seed=0) for tokens in (mapped, np.array(mapped))]
    for step in range(3 * kinds[0].windows):
        (rows, fresh), (expected, _) = (streams.window(step) for streams in kinds)
        assert np.array_equal(rows, expected)
        assert rows.dtype == mapped.dtype
        assert fresh == (step % kinds[0].windows == 0)


def test_streams_lie_side_by_side() -> None:
    streams = Streams(ArrayRing(np.arange(1000)), batch=4, window=10, seed=0)
    starts = streams.window(0)[0][:, 0]
    assert np.array_equal(np.diff(starts) % 1000, [250, 250, 250])


def test_epochs_start_elsewhere() -> None:
    streams = Streams(ArrayRing(np.arange(1000)), batch=2, window=50, seed=0)
    starts = {int(streams.window(epoch * streams.windows)[0][0, 0]) for epoch in range(8)}
    assert len(starts) == 8


def test_seed_says_where() -> None:
    def opening(seed: int) -> list[int]:
        streams = Streams(ArrayRing(np.arange(10_000)), batch=2, window=50, seed=seed)
        return [int(token) for token in streams.window(123)[0][:, 0]]

    assert opening(3) == opening(3)
    assert opening(3) != opening(4)


def test_windows_wrap_around() -> None:
    streams = Streams(ArrayRing(np.arange(100)), batch=3, window=20, seed=0)
    rows = np.concatenate([streams.window(step)[0] for step in range(20)])
    assert ((rows[:, 0] > rows[:, -1]) & (rows.max(1) == 99)).any(), "no window met the end"


@pytest.mark.parametrize(("length", "batch", "window"), [(5, 9, 3), (50, 4, 120), (7, 2, 7)])
def test_short_texts_go_round(length: int, batch: int, window: int) -> None:
    rows, fresh = Streams(ArrayRing(np.arange(length)), batch, window, seed=0).window(1)
    assert fresh
    assert rows.shape == (batch, window + 1)
    assert np.array_equal(rows[:, 1:], (rows[:, :-1] + 1) % length)


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="tells of Linux")
def test_reading_all_of_a_mapped_text_keeps_little_of_it(tmp_path: Path) -> None:
    path, size = tmp_path / "corpus.bin", 48 << 20
    path.write_bytes(b"\0\1" * (size // 2))
    streams = Streams(ArrayRing(open_corpus(path, "ab", None, "").tokens), 8, 1 << 12, seed=0)
    for step in range(streams.windows):
        rows = streams.window(step)[0]
        assert (rows[:, 1:] + rows[:, :-1] == 1).all()
    assert mapped_megabytes(path) < 8


def mapped_megabytes(path: Path) -> float:
    """What of a mapped file counts as this process's memory."""
    found, own = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if ":" in line.split()[0]:
            if own and line.startswith("Rss:"):
                found += int(line.split()[1])
        else:
            own = line.endswith(str(path))
    return found / 1024
