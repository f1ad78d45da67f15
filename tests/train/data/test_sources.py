"""Files, folders and globs, read as clean text."""

import errno
import glob
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_train.data import sources
from rnn_train.data.sources import TextFile, find_texts
from rnn_train.errors import DataError

CHUNKS = st.integers(4, 9)
TEXTS = st.text(st.sampled_from("ab\r\n é€𝄞"), max_size=40)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scratch") / "text.txt"


def read(path: Path, data: bytes, chunk: int = 1 << 20, declared: bool = False) -> str:
    path.write_bytes(data)
    with mock.patch.object(sources, "CHUNK_BYTES", chunk):
        return "".join(TextFile(path, declared).chunks())


def paths(*given: str) -> list[str]:
    return [str(file.path) for file in find_texts(given)]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder of texts; some are hidden."""
    for name in ("b.txt", "a.txt", "sub/c.txt", "sub/.d.txt", ".e/f.txt", "sub/g.md"):
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def test_file(tree: Path) -> None:
    assert paths("tree/b.txt") == ["tree/b.txt"]
    assert paths(str(tree / "tree/b.txt")) == [str(tree / "tree/b.txt")]


def test_folder_is_recursive_sorted_and_skips_hidden(tree: Path) -> None:
    expected = ["tree/a.txt", "tree/b.txt", "tree/sub/c.txt", "tree/sub/g.md"]
    assert paths("tree") == expected
    assert paths(str(tree / "tree")) == [str(tree / each) for each in expected]


@pytest.mark.usefixtures("tree")
def test_hidden_folder_can_be_named() -> None:
    assert paths("tree/.e") == ["tree/.e/f.txt"]


@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("tree/*.txt", ["tree/a.txt", "tree/b.txt"]),
        ("tree/**/*.txt", ["tree/a.txt", "tree/b.txt", "tree/sub/c.txt"]),
        ("tree/?.txt", ["tree/a.txt", "tree/b.txt"]),
    ],
)
def test_glob(pattern: str, expected: list[str]) -> None:
    assert paths(pattern) == expected


@pytest.mark.usefixtures("tree")
def test_sources_keep_their_order() -> None:
    assert paths("tree/sub", "tree/*.txt", "tree/a.txt") == [
        "tree/sub/c.txt",
        "tree/sub/g.md",
        "tree/a.txt",
        "tree/b.txt",
        "tree/a.txt",
    ]


def test_file_name_with_brackets_is_not_a_glob(tmp_path: Path) -> None:
    (tmp_path / "a[1].txt").write_text("x")
    assert paths("a[1].txt") == ["a[1].txt"]


def test_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.txt").write_text("x")
    assert paths("~/a.txt") == [str(tmp_path / "a.txt")]


@pytest.mark.parametrize("source", ["nope.txt", "no*pe", "", "a\0b", "x" * 300, "~nosuchuser/x"])
def test_missing(source: str) -> None:
    with pytest.raises(DataError, match=r"no such file|holds no files|cannot"):
        find_texts([source])


def test_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "empty/.hidden").mkdir(parents=True)
    (tmp_path / "empty/.hidden/a.txt").write_text("x")
    with pytest.raises(DataError, match="empty: the folder holds no files"):
        find_texts(["empty"])


def test_vanished_file_and_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.txt", tmp_path):
        with pytest.raises(DataError, match="cannot be read"):
            list(TextFile(path).chunks())
        with pytest.raises(DataError, match=path.name):
            list(TextFile(path, declared=True).chunks())


@given(TEXTS, CHUNKS)
def test_text_does_not_depend_on_the_chunks(scratch: Path, text: str, chunk: int) -> None:
    expected = text.replace("\r\n", "\n").replace("\r", "\n")
    assert read(scratch, text.encode(), chunk) == expected


def test_crlf_on_a_chunk_border(scratch: Path) -> None:
    assert read(scratch, b"abc\r\ndef\r\r\n", 4) == "abc\ndef\n\n"
    assert read(scratch, b"abc\r", 4) == "abc\n"


def test_empty_file(scratch: Path) -> None:
    assert read(scratch, b"") == ""


def test_only_the_leading_byte_order_mark_is_removed(scratch: Path) -> None:
    assert read(scratch, "\ufeffab\ufeffc".encode()) == "ab\ufeffc"
    assert read(scratch, "\ufeffab\ufeffc".encode(), 4) == "ab\ufeffc"


@given(TEXTS, st.sampled_from([b"\xff", b"\x80", b"\xe2\x82x", b"\xc0\xaf"]), TEXTS, CHUNKS)
def test_bad_byte_is_named(scratch: Path, before: str, bad: bytes, after: str, chunk: int) -> None:
    head = before.encode()
    with pytest.raises(DataError, match=rf"not UTF-8 at byte {len(head)} ") as raised:
        read(scratch, head + bad + after.encode(), chunk)
    assert "iconv" in str(raised.value)
    assert scratch.name in str(raised.value)


@given(TEXTS, st.sampled_from(["é", "€", "𝄞"]), st.data())
def test_cut_character_is_named(scratch: Path, before: str, char: str, data: st.DataObject) -> None:
    head, whole = before.encode(), char.encode()
    cut = whole[: data.draw(st.integers(1, len(whole) - 1))]
    with pytest.raises(DataError, match=rf"not UTF-8 at byte {len(head)} \(unexpected end"):
        read(scratch, head + cut, data.draw(CHUNKS))


@pytest.mark.parametrize("chunk", [4, 1000])
def test_byte_offset_is_from_the_start_of_the_file(scratch: Path, chunk: int) -> None:
    head = "\ufeff".encode() + b"abcdefg"
    with pytest.raises(DataError, match="not UTF-8 at byte 10 "):
        read(scratch, head + b"\xff", chunk)
    with pytest.raises(DataError, match="NUL at byte 10:"):
        read(scratch, head + b"\0", chunk)


@pytest.mark.parametrize("where", [0, 3, 4, 7, 11])
def test_nul(scratch: Path, where: int) -> None:
    with pytest.raises(DataError, match=rf"a NUL at byte {where}: this is a binary file"):
        read(scratch, b"x" * where + b"\0abc", 4)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_byte_order_mark_of_another_encoding(scratch: Path, encoding: str) -> None:
    name = encoding[:6].upper()
    with pytest.raises(DataError, match=f"{name} text at byte 0; .*iconv -f {name} -t UTF-8"):
        read(scratch, "\ufeffabc".encode(encoding))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["abc", "plain text\n" * 50, "naïve café\n" * 50])
def test_utf_16_without_a_byte_order_mark(scratch: Path, text: str, encoding: str) -> None:
    name = encoding.upper().replace("-", "").replace("UTF", "UTF-")
    with pytest.raises(DataError, match=f"probably {name} text, .*iconv -f {name} -t UTF-8"):
        read(scratch, text.encode(encoding), 1000)


@pytest.mark.parametrize("encoding", ["cp1250", "cp1251", "cp1252", "latin-1", "cp437"])
def test_other_code_pages_are_refused(scratch: Path, encoding: str) -> None:
    text = "текст" if encoding == "cp1251" else "café für alle"
    data = text.encode(encoding)
    first = next(i for i, byte in enumerate(data) if byte > 127)
    with pytest.raises(DataError, match=f"not UTF-8 at byte {first} .*convert it, .*iconv"):
        read(scratch, data)


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ("", "utf-8"),
        ("# -*- coding: latin-1 -*-\n", "latin-1"),
        ("#!/bin/python\n# vim: set fileencoding=cp1252 :\n", "cp1252"),
        ("# coding: utf-8\n", "utf-8-sig"),
        ("# coding: euc-jp\n", "euc-jp"),
    ],
)
def test_declared_encoding(scratch: Path, head: str, encoding: str) -> None:
    text = head + ("s = '春'\n" if encoding == "euc-jp" else "s = 'é'\n") * 3
    for chunk in (4, 5, 1000):
        assert read(scratch, text.encode(encoding), chunk, declared=True) == text


def test_declared_encoding_is_for_python_source_only(scratch: Path) -> None:
    data = "# coding: latin-1\né".encode("latin-1")
    assert read(scratch, data, declared=True).endswith("é")
    with pytest.raises(DataError, match="not UTF-8 at byte 18"):
        read(scratch, data)


@pytest.mark.parametrize("data", [b"# coding: no-such\n", b"\xef\xbb\xbf# coding: latin-1\n"])
def test_wrong_declaration(scratch: Path, data: bytes) -> None:
    with pytest.raises(DataError, match=scratch.name):
        read(scratch, data, declared=True)


def test_folder_that_cannot_be_listed_is_not_left_out(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> NoReturn:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match="cannot be listed: Permission denied; give yourself"):
        find_texts([str(tree)])


@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize("pattern", ["tree/**", "tree/**/*", "*/**/[a-g]*", "**/.e/*", "**/sub/.*"])
def test_glob_finds_what_the_standard_library_finds(pattern: str) -> None:
    found = {each for each in glob.glob(pattern, recursive=True) if Path(each).is_file()}  # noqa: PTH207
    assert set(paths(pattern)) == found


@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize("pattern", ["tree/**/*.txt", "tree/*/*.txt", "tr*/sub/?.txt"])
def test_glob_refuses_a_folder_that_cannot_be_listed(
    pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Path.iterdir

    def refuse(folder: Path) -> Iterator[Path]:
        if folder.name == "sub":
            raise PermissionError(errno.EACCES, "Permission denied", str(folder))
        return plain(folder)

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(DataError, match="sub: cannot be listed: Permission denied; give yourself"):
        paths(pattern)
