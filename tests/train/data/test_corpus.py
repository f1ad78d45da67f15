"""A text as tokens on disk."""

import hashlib
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from rnn_train.data import corpus, sources
from rnn_train.data.corpus import UNKNOWN, Corpus, build_corpus, encode_text, open_corpus
from rnn_train.data.sources import TextFile
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


def test_tokens_decode_to_the_text(tmp_path: Path) -> None:
    expected = TEXT.replace("\r\n", "\n")
    built = build(tmp_path, TEXT)
    assert decode(built) == expected
    assert built.vocabulary == tuple(sorted(set(expected)))
    assert built.unknown is None
    assert built.sha256 == hashlib.sha256(expected.encode()).hexdigest()


def test_texts_are_joined_in_order(tmp_path: Path) -> None:
    assert (
        decode(build(tmp_path, "b" * 700, "a\n" * 300, "c")) == "b" * 700 + "\n" + "a\n" * 300 + "c"
    )


@pytest.mark.parametrize("chunk", [4, 7, 64])
def test_result_does_not_depend_on_the_chunks(tmp_path: Path, chunk: int) -> None:
    text = "é𝄞ab\r\n" * 300
    whole = build(tmp_path, text)
    with mock.patch.object(sources, "CHUNK_BYTES", chunk):
        pieces = build_corpus(files(tmp_path, text), tmp_path / "pieces.bin")
    assert (pieces.vocabulary, pieces.sha256) == (whole.vocabulary, whole.sha256)
    assert np.array_equal(pieces.tokens, whole.tokens)


@pytest.mark.parametrize(("count", "dtype"), [(256, np.uint8), (257, np.uint16)])
def test_tokens_have_the_smallest_type(tmp_path: Path, count: int, dtype: type) -> None:
    built = build(tmp_path, distinct(count) * 5)
    assert built.tokens.dtype == dtype
    assert decode(built) == distinct(count) * 5
    assert (tmp_path / "corpus.bin").stat().st_size == 5 * count * np.dtype(dtype).itemsize


def test_tokens_are_memory_mapped(tmp_path: Path) -> None:
    assert isinstance(build(tmp_path, TEXT).tokens, np.memmap)


def test_rare_characters_become_the_unknown_token(tmp_path: Path) -> None:
    text = "ab" * 600 + "xyz" + "cc"
    built = build(tmp_path, text, min_count=2)
    assert built.vocabulary == ("a", "b", "c", UNKNOWN)
    assert built.unknown == 3
    assert decode(built) == "ab" * 600 + UNKNOWN * 3 + "cc"
    assert built.sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_without_rare_characters_there_is_no_unknown_token(tmp_path: Path) -> None:
    built = build(tmp_path, "ab" * 600, min_count=600)
    assert built.vocabulary == ("a", "b")
    assert built.unknown is None


def test_text_may_contain_the_unknown_character(tmp_path: Path) -> None:
    built = build(tmp_path, "ab" * 600 + UNKNOWN * 9 + "x", min_count=5)
    assert built.vocabulary == ("a", "b", UNKNOWN)
    assert decode(built) == "ab" * 600 + UNKNOWN * 10


@pytest.mark.parametrize("text", ["", "a", "ab" * 499 + "a"])
def test_short_text_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match=f"text0.txt: {len(text)} characters?.*at least 1000"):
        build(tmp_path, text)
    assert not (tmp_path / "corpus.bin").exists()


def test_shortest_text(tmp_path: Path) -> None:
    assert len(build(tmp_path, "ab" * 500).tokens) == 1000


@pytest.mark.parametrize(
    ("text", "min_count", "said"),
    [
        ("a" * 2000, 1, "repeats one character"),
        ("a" * 2000, 5, "repeats one character"),
        (distinct(1500), 2, "no character occurs 2 times, .* give a smaller --min-count"),
    ],
)
def test_text_of_one_character_is_refused(
    tmp_path: Path, text: str, min_count: int, said: str
) -> None:
    with pytest.raises(DataError, match=said):
        build(tmp_path, text, min_count=min_count)
    assert not (tmp_path / "corpus.bin").exists()


def test_large_vocabulary_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "MAX_VOCABULARY", 20)
    with pytest.raises(DataError, match=r"21 distinct.*limit of 20.*--min-count"):
        build(tmp_path, distinct(21) * 50)
    assert len(build(tmp_path, distinct(20) * 50).vocabulary) == 20


def test_malformed_text_writes_no_file(tmp_path: Path) -> None:
    good = files(tmp_path, TEXT)
    (tmp_path / "bad.txt").write_bytes(b"abc\xff")
    with pytest.raises(DataError, match=r"bad.txt: not UTF-8 at byte 3"):
        build_corpus([*good, TextFile(tmp_path / "bad.txt")], tmp_path / "corpus.bin")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.txt", "text0.txt"]


@pytest.mark.parametrize(("fraction", "held_out"), [(0.0, 0), (0.1, 100), (0.25, 250), (0.5, 500)])
def test_last_part_is_held_out(tmp_path: Path, fraction: float, held_out: int) -> None:
    built = build(tmp_path, "ab" * 500)
    train, rest = built.split(fraction)
    assert len(rest) == held_out
    assert np.array_equal(np.concatenate([train, rest]), built.tokens)


def test_corpus_is_opened_again(tmp_path: Path) -> None:
    built = build(tmp_path, TEXT)
    opened = open_corpus(tmp_path / "corpus.bin", list(built.vocabulary), None, built.sha256)
    assert np.array_equal(opened.tokens, built.tokens)
    assert opened.tokens.dtype == built.tokens.dtype
    assert (opened.vocabulary, opened.sha256) == (built.vocabulary, built.sha256)


def encode(tmp_path: Path, text: str, built: Corpus) -> Corpus:
    (tmp_path / "more.txt").write_bytes(text.encode())
    more = [TextFile(tmp_path / "more.txt")]
    return encode_text(more, built.vocabulary, built.unknown, tmp_path / "more.bin")


def test_encode_text(tmp_path: Path) -> None:
    built = build(tmp_path, TEXT)
    more = encode(tmp_path, "sun\r\nof York", built)
    assert decode(more) == "sun\nof York"
    assert more.tokens.dtype == built.tokens.dtype
    assert more.vocabulary == built.vocabulary
    assert more.sha256 == hashlib.sha256(b"sun\nof York").hexdigest()


@pytest.mark.parametrize("chunk", [4, 7])
def test_encoded_text_is_mapped_and_read_in_chunks(tmp_path: Path, chunk: int) -> None:
    built = build(tmp_path, "é𝄞ab\r\n" * 300)
    with mock.patch.object(sources, "CHUNK_BYTES", chunk):
        more = encode(tmp_path, "b\r\n𝄞é" * 9, built)
    assert isinstance(more.tokens, np.memmap)
    assert decode(more) == "b\n𝄞é" * 9


@pytest.mark.parametrize("text", ["", "s"])
def test_short_text_is_not_encoded(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match=rf"more\.txt: {len(text)} characters? .*at least 2 are"):
        encode(tmp_path, text, build(tmp_path, TEXT))


def test_new_characters_are_refused_or_become_unknown(tmp_path: Path) -> None:
    text = "aXbÜX"
    with pytest.raises(DataError, match=r"more.txt: 2 characters .*'X' 'Ü'.*--min-count"):
        encode(tmp_path, text, build(tmp_path, "ab" * 600))
    assert not (tmp_path / "more.bin").exists()
    folded = build(tmp_path, "ab" * 600 + "z", min_count=2)
    assert decode(encode(tmp_path, text, folded)) == f"a{UNKNOWN}b{UNKNOWN * 2}"


def test_held_out_part_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "MAX_HELD_OUT", 30)
    train, held_out = build(tmp_path, "ab" * 500).split(0.1)
    assert (len(train), len(held_out)) == (970, 30)


def test_text_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "text.txt"
    path.write_text("ab" * 1000, "utf-8")
    check = corpus._check_length

    def change(*arguments: Any) -> None:
        check(*arguments)
        path.write_text("abc" * 1000, "utf-8")

    monkeypatch.setattr(corpus, "_check_length", change)
    with pytest.raises(DataError, match=r"text\.txt: has changed while it was read; run again"):
        build_corpus([TextFile(path)], tmp_path / "corpus.bin")
    assert [each.name for each in tmp_path.iterdir()] == ["text.txt"]
