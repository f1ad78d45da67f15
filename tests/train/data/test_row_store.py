"""Labelled texts on disk."""

import tempfile
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from rnn_train.data import row_store
from rnn_train.data.row_store import ROW_FILES, open_rows, row_writer, stored_rows, write_rows
from rnn_train.errors import DataError, RunError

PAIRS = [("Ž", "y"), ("e\u0301", "x"), ("中 text", "y"), ("é", "z"), ("\U0001f600", "x")]


def store(folder: Path) -> None:
    with row_writer(folder) as (writer, codes):
        assert writer.add(iter(PAIRS[:2])) == 2
        assert writer.add(iter(PAIRS[2:])) == 3
        _, labels, keys = writer.rows()
        assert writer.names == ["x", "y", "z"]
        assert labels.tolist() == [1, 0, 1, 2, 0]
        assert keys[1] == keys[3], "two Unicode forms of a text are one text"
        assert len(set(keys)) == 4
        assert writer.texts(np.array([3, 2])) == ["é", "中 text"]
        held_out = np.array([False, True, False, False, True])
        write_rows(folder, writer, codes, held_out, {"fact": 3})


@pytest.mark.parametrize("block", [1, 2, 100])
def test_rows_are_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(row_store, "_BLOCK", block)
    store(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(ROW_FILES)
    train, held_out, document = open_rows(tmp_path)
    assert (train.texts, train.labels) == (("Ž", "中 text", "é"), ("y", "y", "z"))
    assert (held_out.texts, held_out.labels) == (("é", "\U0001f600"), ("x", "x"))
    assert isinstance(train.tokens, np.memmap)
    assert train.tokens.dtype == np.uint8
    assert document["fact"] == 3


def test_damaged_rows(tmp_path: Path) -> None:
    store(tmp_path)
    (tmp_path / "rows.bin").write_bytes(b"1")
    with pytest.raises(ValueError, match="another size"):
        open_rows(tmp_path)


def test_folder_without_room(tmp_path: Path) -> None:
    with pytest.raises(RunError) as raised, row_writer(tmp_path, cure="take another disk"):
        raise OSError(28, "No space left on device")
    assert str(raised.value).endswith(
        "No space left on device; make room on the disk, or take another disk"
    )
    with pytest.raises(RunError, match="check the disk"), row_writer(tmp_path):
        raise OSError(5, "Input/output error")


def test_short_reads_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """numpy reads a file past Python, and takes a short read for the end of the file."""
    store(tmp_path)

    def short(*_: object, **__: object) -> NoReturn:
        raise ValueError("Failed to read all data for array")

    monkeypatch.setattr(np, "fromfile", short)
    train, _, _ = open_rows(tmp_path)
    assert len(train.texts) == 3


def test_rows_are_in_files_that_go_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with stored_rows("source", iter([("b", "x"), ("a", "y"), ("b", "x")])) as rows:
        assert list(rows.pairs()) == [("b", "x"), ("a", "y"), ("b", "x")]
        assert len(list(tmp_path.iterdir())) == 1
    assert not list(tmp_path.iterdir())


def test_no_rows() -> None:
    with pytest.raises(DataError, match="source: holds 0 rows"), stored_rows("source", ()):
        pytest.fail("it is refused")
