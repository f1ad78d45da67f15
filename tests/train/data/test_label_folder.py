"""Folders of labelled texts: a file a label, a folder a label, and neither."""

from pathlib import Path

import pytest

from rnn_infer.errors import TableError
from rnn_train.data.label_folder import folder_rows, folder_size
from rnn_train.errors import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "folder"
    made.mkdir()
    return made


def test_a_file_for_each_label(folder: Path) -> None:
    (folder / "odd.txt").write_text("one\n\nthree\u2028\x0cx\n")
    (folder / "even.txt").write_text("two")
    (folder / "notes.md").write_text("no data")
    (folder / ".hidden.txt").write_text("no data")
    rows = [("two", "even"), ("one", "odd"), ("", "odd"), ("three\u2028\x0cx", "odd")]
    assert list(folder_rows(folder)) == rows
    seen: list[int] = []
    list(folder_rows(folder, progress=seen.append))
    assert sum(seen) == folder_size(folder) > 0


def test_a_folder_for_each_label(folder: Path) -> None:
    for label, texts in {"pos": ["good\r\nfilm ", "nice"], "neg": ["bad"], "other": []}.items():
        (folder / label).mkdir()
        for i, text in enumerate(texts):
            (folder / label / f"{i}.txt").write_bytes(text.encode())
    assert list(folder_rows(folder)) == [("bad", "neg"), ("good\nfilm", "pos"), ("nice", "pos")]
    assert folder_size(folder) == 18


def test_encoding(folder: Path) -> None:
    (folder / "a.txt").write_bytes("é".encode("cp1252"))
    assert list(folder_rows(folder, "cp1252")) == [("é", "a")]
    with pytest.raises(TableError, match=r"a\.txt: line 1: is not UTF-8"):
        list(folder_rows(folder))
    (folder / "a.txt").unlink()
    (folder / "b").mkdir()
    (folder / "b" / "1.txt").write_bytes(b"x\ny\xff")
    with pytest.raises(TableError, match=r"1\.txt: line 2: is not UTF-8"):
        list(folder_rows(folder))


def test_both_layouts(folder: Path) -> None:
    (folder / "urls.txt").write_text("x")
    (folder / "pos").mkdir()
    (folder / "pos" / "1.txt").write_text("x")
    with pytest.raises(DataError, match=r"urls\.txt, … and|files \(urls\.txt, …\) and folders"):
        list(folder_rows(folder))


@pytest.mark.parametrize(
    ("name", "said"),
    [("a.csv", r"holds tables \(a\.csv, …\); name each"), ("a.md", r"no <label>\.txt files")],
)
def test_nothing_to_read(folder: Path, name: str, said: str) -> None:
    (folder / name).write_text("x")
    with pytest.raises(DataError, match=said):
        list(folder_rows(folder))


@pytest.mark.parametrize("more", [[], ["readme.txt"], ["train/urls.txt", "test/urls.txt"]])
def test_parts_of_a_data_set(folder: Path, more: list[str]) -> None:
    """With a folder for training and one for test, each with a folder for each label."""
    for path in ("train/pos/1.txt", "train/neg/1.txt", "test/pos/1.txt", "test/neg/1.txt", *more):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("x")
    with pytest.raises(DataError) as raised:
        list(folder_rows(folder))
    assert str(raised.value) == (
        f"{folder}: its folders hold no texts but folders (test, train); name one of them: "
        f"--data {folder}/train --val-data {folder}/test"
    )


def test_folder_of_labels_with_a_folder_inside(folder: Path) -> None:
    """Of labels that hold texts, a deeper folder is not read."""
    for path in ("pos/1.txt", "neg/1.txt", "neg/old/1.txt"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("x")
    assert [label for _, label in folder_rows(folder)] == ["neg", "pos"]
