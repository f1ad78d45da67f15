"""Labelled texts on disk: encoded in one pass over a table, and then memory-mapped.

rows.bin    the characters of all texts, as tokens of the smallest type
rows.npy    length, label and side of each text
rows.json   the characters, the labels, and what the table repeats
"""

import errno
import io
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from rnn_infer.errors import because
from rnn_train.data.encoded_rows import EncodedRows
from rnn_train.data.rows import normal, text_keys
from rnn_train.errors import DataError, RunError
from rnn_train.files import read_bytes, replacing, write_bytes

ROW_FILES = ("rows.bin", "rows.npy", "rows.json")
"""Names of the files in a run folder."""
Pair = tuple[str, str]
_ROW = np.dtype([("length", "<u4"), ("label", "<u4"), ("held_out", "?")])
_BLOCK = 1 << 13
"""Rows that are encoded at once."""
_SHOWN = 60
"""Characters of a text that are shown in a message."""
_PIECE = 1 << 20
"""Characters that are translated at once."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors of a disk, or a share of it, that has no room."""


class RowWriter:
    """Collects labelled texts: characters go to a file, a few numbers for each row stay."""

    def __init__(
        self, file: BinaryIO, max_length: int | None = None, normalized: bool = True
    ) -> None:
        """Begins with no rows.

        Args:
            file: gets the characters of the texts, as UTF-32.
            max_length: characters of a text that are kept; None: all.
            normalized: texts are normalized; False: they stay as they are.
        """
        self._file, self._max_length, self._normalized = file, max_length, normalized
        self.cut = 0
        """Number of texts that were longer than `max_length`."""
        self.longest = 0
        """Characters of the longest text, before it was cut."""
        self._used = np.zeros(0x110000, bool)
        self._lengths: list[NDArray[np.uint32]] = []
        self._labels: list[NDArray[np.uint32]] = []
        self._keys: list[NDArray[np.uint64]] = []
        self._index: dict[str, int] = {}

    def add(self, pairs: Iterable[Pair]) -> int:
        """Writes rows, a block at a time.

        Args:
            pairs: text and label of each row.

        Returns:
            The number of rows that were added.
        """
        source, rows, index = iter(pairs), 0, self._index
        while block := list(islice(source, _BLOCK)):
            texts = [self._kept(text) for text, _ in block]
            codes = "".join(texts).encode("utf-32-le")
            self._used[np.frombuffer(codes, "<u4")] = True
            self._file.write(codes)
            self._lengths.append(np.array([len(text) for text in texts], np.uint32))
            labels = [index.setdefault(label, len(index)) for _, label in block]
            self._labels.append(np.array(labels, np.uint32))
            self._keys.append(text_keys(texts))
            rows += len(block)
        return rows

    def _kept(self, text: str) -> str:
        text = normal(text) if self._normalized else text
        self.longest = max(self.longest, len(text))
        if self._max_length is None or len(text) <= self._max_length:
            return text
        self.cut += 1
        return text[: self._max_length]

    @property
    def names(self) -> list[str]:
        """Names of the labels, sorted."""
        return sorted(self._index)

    def rows(self) -> tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.uint64]]:
        """Returns length, label index (in `names`) and key of each row. Equal texts have equal
        keys."""
        order = {name: i for i, name in enumerate(self.names)}
        place = np.array([order[name] for name in self._index], np.int64)
        lengths = np.concatenate(self._lengths)
        return lengths, place[np.concatenate(self._labels)], np.concatenate(self._keys)

    def texts(self, rows: NDArray[np.int64]) -> list[str]:
        """Reads some texts back, each cut after `_SHOWN` characters."""
        lengths = np.concatenate(self._lengths).astype(np.int64)
        found = []
        for row in rows.tolist():
            self._file.seek(4 * int(lengths[:row].sum()))
            piece = self._file.read(4 * min(int(lengths[row]), _SHOWN))
            found.append(piece.decode("utf-32-le"))
        self._file.seek(0, os.SEEK_END)
        return found

    def codes(self) -> NDArray[np.int64]:
        """Returns the code points that occur, sorted."""
        return np.flatnonzero(self._used)


@contextmanager
def row_writer(
    folder: Path,
    max_length: int | None = None,
    normalized: bool = True,
    cure: str = "give a --run folder on a disk with more room",
) -> Iterator[tuple[RowWriter, BinaryIO]]:
    """Opens a writer, and the temporary file of its characters, for a `with` statement.

    Args:
        folder: where the temporary file lies.
        max_length, normalized: see `RowWriter`.
        cure: what to do if the disk has no room, for the message.

    Raises:
        RunError: the disk has no room.
    """
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            yield RowWriter(file, max_length, normalized), file
    except OSError as error:
        full = error.errno in _FULL
        why = f"{error.strerror}; make room on the disk, or {cure}" if full else because(error)
        raise RunError(f"cannot write the rows into {folder}: {why}") from error


def write_rows(
    folder: Path,
    writer: RowWriter,
    codes: BinaryIO,
    held_out: NDArray[np.bool_],
    facts: dict[str, Any],
) -> None:
    """Writes the files of a run folder.

    Args:
        folder: the run folder.
        writer: has all rows.
        codes: their characters, as UTF-32.
        held_out: side of each row, [rows].
        facts: plain values to keep beside the rows.

    Raises:
        RunError: the disk has no room.
    """
    lengths, labels, _ = writer.rows()
    known = writer.codes()
    table = np.zeros(0x110000, _smallest(len(known)))
    table[known] = np.arange(len(known))
    codes.seek(0)
    with replacing(folder / "rows.bin") as file:
        while piece := codes.read(4 * _PIECE):
            file.write(table[np.frombuffer(piece, "<u4")].tobytes())
    rows = np.empty(len(lengths), _ROW)
    rows["length"], rows["label"], rows["held_out"] = lengths, labels, held_out
    with replacing(folder / "rows.npy") as file:
        # `np.save` writes past Python's file, and its error would not say that the disk is full.
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(rows))
        file.write(rows.tobytes())
    document = {"characters": "".join(map(chr, known.tolist())), "labels": writer.names, **facts}
    write_bytes(folder / "rows.json", json.dumps(document, ensure_ascii=False).encode())


def open_rows(folder: Path) -> tuple[EncodedRows, EncodedRows, dict[str, Any]]:
    """Opens what `write_rows` wrote.

    Returns:
        Training rows, held-out rows, and the document of rows.json.
    """
    document = json.loads((folder / "rows.json").read_bytes())
    rows = np.load(io.BytesIO(read_bytes(folder / "rows.npy")))  # completes short reads
    lengths = rows["length"].astype(np.int64)
    characters = tuple(document["characters"])
    path = folder / "rows.bin"
    kind = _smallest(len(characters))
    if os.path.getsize(path) != int(lengths.sum()) * kind.itemsize:  # noqa: PTH202
        raise ValueError(f"{path} has another size than its rows")
    tokens = np.memmap(path, kind, "r") if lengths.any() else np.zeros(0, kind)
    every = EncodedRows(
        characters,
        tuple(document["labels"]),
        tokens,
        np.cumsum(lengths) - lengths,
        lengths,
        rows["label"].astype(np.int64),
    )
    held_out = rows["held_out"]
    return every.take(np.flatnonzero(~held_out)), every.take(np.flatnonzero(held_out)), document


@contextmanager
def stored_rows(
    source: str, pairs: Iterable[tuple[str, str]], normalized: bool = True
) -> Iterator[EncodedRows]:
    """Writes rows into a temporary folder, and opens them for a `with` statement.

    Memory takes some bytes for each row, whatever the length of its text.

    Args:
        source: named in messages.
        pairs: text and label of each row.
        normalized: texts are normalized; False: they stay as they are.

    Raises:
        DataError: there are no rows.
        RunError: the disk has no room.
    """
    # On Windows a file that is still mapped cannot be removed.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder, cure = Path(name), "name a folder on a disk with more room in TMPDIR"
        with row_writer(folder, normalized=normalized, cure=cure) as (writer, codes):
            if not (count := writer.add(pairs)):
                raise DataError(f"{source}: holds 0 rows; at least one is needed")
            write_rows(folder, writer, codes, np.ones(count, bool), {})
        _, rows, _ = open_rows(folder)
        yield rows


def _smallest(count: int) -> np.dtype[Any]:
    return np.min_scalar_type(max(1, count - 1))
