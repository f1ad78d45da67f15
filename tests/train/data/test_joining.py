"""Files joined into one text, or into documents."""

from pathlib import Path
from unittest import mock

import pytest

from rnn_train.data import sources
from rnn_train.data.joining import Joining
from rnn_train.data.sources import TextFile
from rnn_train.errors import DataError


def read(folder: Path, joining: Joining, *texts: str) -> list[str]:
    """The joined text, cut where a file begins."""
    files = []
    for number, text in enumerate(texts):
        path = folder / f"{number}.txt"
        path.write_bytes(text.encode())
        files.append(TextFile(path))
    parts = [""]
    for text, begins in joining.read(files):
        assert text, "an empty chunk"
        parts += [""] if begins else []
        parts[-1] += text
    return parts


@pytest.mark.parametrize(
    ("separator", "expected"),
    [
        (None, ["", "THE END\n", "BEGIN\n", "MORE"]),
        ("", ["", "THE END", "BEGIN\n", "MORE"]),
        ("\n\n", ["", "THE END\n\n", "BEGIN\n\n\n", "MORE"]),
        ("<|end|>", ["", "THE END<|end|>", "BEGIN\n<|end|>", "MORE"]),
    ],
)
def test_files_are_not_glued(tmp_path: Path, separator: str | None, expected: list[str]) -> None:
    found = read(tmp_path, Joining(separator=separator), "THE END", "BEGIN\n", "MORE")
    assert found == expected


@pytest.mark.parametrize("ending", ["\r\n", "\r", "\n"])
def test_line_end_of_any_kind_is_enough(tmp_path: Path, ending: str) -> None:
    assert read(tmp_path, Joining(), f"a{ending}", "b") == ["", "a\n", "b"]


def test_empty_file_adds_nothing(tmp_path: Path) -> None:
    assert "".join(read(tmp_path, Joining(), "", "a", "", "b", "")) == "a\nb"


@pytest.mark.parametrize("chunk", [1, 3, 1000])
def test_lines_are_documents(tmp_path: Path, chunk: int) -> None:
    joining = Joining(documents="line")
    with mock.patch.object(sources, "CHUNK_BYTES", chunk):
        found = read(tmp_path, joining, "\n\nAnna\r\nOtto\n\n\nEve", "\nZoë\n \n")
    assert "".join(found) == "\nAnna\nOtto\nEve\nZoë\n \n"
    assert joining.mark == "\n"


def test_files_are_documents(tmp_path: Path) -> None:
    joining = Joining(documents="file")
    assert read(tmp_path, joining, "a\nb\n", "", "c") == ["", "\x03a\nb\n", "\x03c\x03"]
    assert joining.mark == "\x03"


def test_document_with_the_mark_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"0\.txt: has the control character '\\x03'.*remove it"):
        read(tmp_path, Joining(documents="file"), "a\x03b")
