"""The split of a text into a training side and a held-out side."""

from pathlib import Path

import numpy as np
import pytest

from rnn_train.data.corpus import Corpus, build_corpus
from rnn_train.data.joining import Documents, Joining
from rnn_train.data.sources import TextFile
from rnn_train.tasks.charlm.split import (
    choose_pieces,
    joined,
    read_pieces,
    training_parts,
    write_pieces,
)


def corpus(folder: Path, text: str, documents: Documents | None) -> tuple[Corpus, int | None]:
    (folder / "text.txt").write_text(text)
    joining = Joining(documents=documents)
    built = build_corpus([TextFile(folder / "text.txt")], folder / "corpus.bin", joining=joining)
    return built, built.vocabulary.index(joining.mark) if joining.mark else None


def names(count: int) -> list[str]:
    return [f"{i:05d}" for i in range(count)]


def decode(built: Corpus, tokens: np.ndarray) -> str:
    return "".join(built.vocabulary[token] for token in tokens)


def test_pieces_of_a_text(tmp_path: Path) -> None:
    built, _ = corpus(tmp_path, "".join(names(2000)), None)
    pieces = choose_pieces(built, 0.1, None)
    parts = training_parts(built.tokens, pieces, None)
    held, train = (joined(built.tokens, each) for each in (pieces, parts))
    assert (len(held), len(train)) == (1000, 9000)
    assert len(pieces) > 1
    assert np.array_equal(
        joined(built.tokens, np.sort(np.concatenate([pieces, parts]), 0)), built.tokens
    )


def test_documents_are_held_out_whole(tmp_path: Path) -> None:
    built, mark = corpus(tmp_path, "\n".join(names(1000)), "line")
    pieces = choose_pieces(built, 0.1, mark)
    parts = training_parts(built.tokens, pieces, mark)
    held = decode(built, joined(built.tokens, pieces)).split("\n")[1:]
    train = [decode(built, built.tokens[a : b + 1]) for a, b in parts]
    assert len(held) == pytest.approx(100, abs=5)
    assert all(each.startswith("\n") and each.endswith("\n") for each in train)
    assert sorted([*held, *(each.strip() for each in train)]) == names(1000)


def test_few_documents_are_held_out_in_pieces(tmp_path: Path) -> None:
    built, mark = corpus(tmp_path, "a b c\n" * 900, "file")
    pieces = choose_pieces(built, 0.1, mark)
    parts = training_parts(built.tokens, pieces, mark)
    assert len(pieces) == 1
    (low, high) = pieces[0].tolist()
    # The last target lies before the piece, and the first input after it.
    assert parts.tolist() == [[0, low - 1], [high, len(built.tokens) - 1]]


@pytest.mark.parametrize("pieces", [[[0, 4]], [[3, 9]], [[1, 2], [5, 7], [9, 12]]])
def test_no_training_part_touches_a_piece(pieces: list[list[int]]) -> None:
    tokens = np.array([0, 1, 2, 0, 3, 4, 5, 0, 6, 7, 8, 0])
    held = np.zeros(12, bool)
    for low, high in pieces:
        held[low:high] = True
    for begin, end in training_parts(tokens, np.array(pieces), 0).tolist():
        assert end > begin
        assert not (held & (tokens > 0))[begin : end + 1].any(), "a shared mark is no text"


def test_pieces_are_read_as_they_were_written(tmp_path: Path) -> None:
    for pieces in (np.array([[1, 5], [7, 9]]), np.empty((0, 2), np.int64)):
        write_pieces(tmp_path / "pieces.bin", pieces)
        assert np.array_equal(read_pieces(tmp_path / "pieces.bin"), pieces)
