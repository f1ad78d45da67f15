"""Lines: where they end, how they are decoded, and which line is at fault."""

import io

import pytest

from rnn_infer.errors import TableError
from rnn_infer.tables import lines
from rnn_infer.tables.lines import number_lines, read_blocks, read_chunks


def read(data: bytes, encoding: str | None = None) -> list[tuple[int, str]]:
    chunks = read_chunks(io.BytesIO(data), "f", encoding)
    return list(number_lines(read_blocks(chunks, "f")))


def test_only_three_line_ends() -> None:
    text = "a\u2028b\x0cc\x1cd\x85e"
    assert read(f"{text}\nf\r\ng\rh".encode()) == [(1, text), (2, "f"), (3, "g"), (4, "h")]


def test_blank_lines_count_and_the_end_is_no_line() -> None:
    assert read(b"a\n\n\nb\n") == [(1, "a"), (2, ""), (3, ""), (4, "b")]
    assert read(b"") == []
    assert read(b"\n") == [(1, "")]


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_chunks_cut_characters_and_line_ends(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "_CHUNK", size)
    assert read("\ufeffé\r\n😀\r\rz".encode()) == [(1, "é"), (2, "😀"), (3, ""), (4, "z")]


def test_only_the_start_has_a_byte_order_mark() -> None:
    assert read("\ufeffa\n\ufeffb".encode()) == [(1, "a"), (2, "\ufeffb")]


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252", "utf-16-le", "latin-1", "UTF8"])
def test_encoding(encoding: str) -> None:
    assert read("né\nü".encode(encoding), encoding) == [(1, "né"), (2, "ü")]


@pytest.mark.parametrize("encoding", [None, "utf-8", "utf-8-sig", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("size", [4, 1 << 18])
def test_byte_order_mark_is_no_text(
    encoding: str | None, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "_CHUNK", size)
    data = "\ufefftext\n\ufeffb".encode((encoding or "utf-8").removesuffix("-sig"))
    assert read(data, encoding) == [(1, "text"), (2, "\ufeffb")]


@pytest.mark.parametrize("size", [3, 1 << 18])
@pytest.mark.parametrize(
    ("data", "encoding", "said"),
    [
        (b"a\nb\n\xff\n", None, "line 3: is not UTF-8; give its encoding"),
        (b"a\r\nb\xe9", None, "line 2: is not UTF-8"),
        (b"a\rb\rc\xe9", None, "line 3: is not UTF-8"),
        ("é".encode() * 9 + b"\n\xc3", None, "line 2: is not UTF-8"),
        (b"a\nb\x81", "cp1252", "line 2: is not cp1252; give another"),
        (b"abc\nb", "utf-16", "line 1: is not utf-16; give another .* utf-16-le or utf-16-be"),
        (b"a\nb", "utf-32-le", "line 1: is not utf-32-le; give another encoding$"),
        (b"a\nb", "undefined", "line 1: is not undefined; give another encoding$"),
        (b"\xef\xbb\xbfa\n", "cp1252", "line 1: is not cp1252 but UTF-8, by its byte order mark"),
        (b"a\nb\0c", None, "line 2: a NUL character"),
        ("a\nb".encode("utf-16-le"), None, "line 1: a NUL character.*--encoding utf-16"),
    ],
)
def test_line_at_fault(
    data: bytes, encoding: str | None, said: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "_CHUNK", size)
    with pytest.raises(TableError, match=f"f: {said}"):
        read(data, encoding)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("a".encode("utf-16"), "UTF-16; give its encoding: --encoding utf-16"),
        ("a".encode("utf-32"), "UTF-32"),
        (b"PK\x03\x04...", "Excel"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"PAR1", "Parquet"),
    ],
)
def test_other_kinds_of_files(data: bytes, said: str) -> None:
    with pytest.raises(TableError, match=said):
        read(data)


def test_longest_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_CHARACTERS", 20)
    monkeypatch.setattr(lines, "_CHUNK", 8)
    assert read(b"x" * 20 + b"\ny")[0] == (1, "x" * 20)
    with pytest.raises(TableError, match="f: line 2: a row of more than 20 characters"):
        read(b"a\n" + b"x" * 21 + b"\ny")
    with pytest.raises(TableError, match="line 1: a row of more than 20"):
        read(b"x" * 30)


def test_progress() -> None:
    seen: list[int] = []
    list(read_chunks(io.BytesIO(b"abc\n"), "f", None, seen.append))
    assert sum(seen) == 4
