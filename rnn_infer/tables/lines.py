"""Lines of a file: decoded strictly, numbered, in constant memory.

A line ends with LF, CRLF or CR, and with nothing else. Other characters that Python's `splitlines`
breaks at (a form feed, U+2028) are part of the text.
"""

import codecs
import io
from collections.abc import Callable, Iterator
from typing import IO

from rnn_infer.errors import TableError

Progress = Callable[[int], object]
"""Takes the number of bytes that were read since its last call."""
Blocks = Iterator[tuple[int, list[str]]]
"""Lines without their line ends, many at a time, each time with the number of the first."""
Numbered = Iterator[tuple[int, str]]
"""Lines without their line ends, each with its number."""
MAX_CHARACTERS = 1 << 24
"""Longest row. It bounds the memory, and finds a quote that is never closed."""
_CHUNK = 1 << 18
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_OTHER_FILES = {
    b"PK\x03\x04": "an Excel workbook or a zip archive; save it as CSV, or unpack it",
    b"\xd0\xcf\x11\xe0": "an Excel workbook; save it as CSV",
    b"\x1f\x8b": "packed with gzip; unpack it",
    b"PAR1": "a Parquet file; write it as CSV or JSON lines",
}


def read_chunks(
    stream: IO[bytes], name: str, encoding: str | None = None, progress: Progress | None = None
) -> Iterator[str]:
    """Decode a file. The line ends of the chunks are LF, and a byte order mark is left out.

    Args:
        stream: the file.
        name: of the file, for messages.
        encoding: None: UTF-8.
        progress: is told how many bytes were read.

    Yields:
        The text, chunk by chunk.

    Raises:
        TableError: the bytes are no text of this encoding. The message names the line.
    """
    known = codecs.lookup(encoding or "utf-8").name
    decoder = codecs.getincrementaldecoder("utf-8-sig" if known == "utf-8" else known)()
    newlines = io.IncrementalNewlineDecoder(None, translate=True)
    read = getattr(stream, "read1", stream.read)
    line, start = 1, True
    while True:
        data = read(_CHUNK)
        if start:
            _refuse_other_files(data, name, encoding)
        try:
            text = newlines.decode(decoder.decode(data, not data), not data)
        except UnicodeDecodeError as error:
            before = str(error.object[: error.start], known, "replace")
            line += len(before.replace("\r\n", "\n").replace("\r", "\n").split("\n")) - 1
            raise _not_decoded(name, line, encoding) from None
        except UnicodeError:  # of codecs that need a mark at the begin, or decode nothing
            raise _not_decoded(name, line, encoding) from None
        if start:  # utf-16-le and others leave the mark in the text
            text, start = text.removeprefix("\ufeff"), False
        if "\0" in text:
            line += text[: text.index("\0")].count("\n")
            raise TableError(
                f"{name}: line {line}: a NUL character: this is no text, or of another encoding; "
                "give its encoding, for instance --encoding utf-16"
            )
        line += text.count("\n")
        yield text
        if progress is not None:
            progress(len(data))
        if not data:
            return


def read_blocks(chunks: Iterator[str], name: str) -> Blocks:
    """Cut a text into lines.

    Args:
        chunks: the text, with LF as line end.
        name: of the file, for messages.

    Raises:
        TableError: a line has more than `MAX_CHARACTERS` characters.
    """
    number, rest = 1, ""
    for chunk in chunks:
        lines = (rest + chunk).split("\n")
        rest = lines.pop()
        if lines:
            if len(lines[0]) > MAX_CHARACTERS:
                raise too_long(name, number)
            yield number, lines
            number += len(lines)
        if len(rest) > MAX_CHARACTERS:
            raise too_long(name, number)
    if rest:
        yield number, [rest]


def number_lines(blocks: Blocks) -> Numbered:
    """Return each line with its number."""
    return ((number, line) for first, lines in blocks for number, line in enumerate(lines, first))


def too_long(name: str, line: int) -> TableError:
    """Return the error of a row that is too long."""
    return TableError(
        f"{name}: line {line}: a row of more than {MAX_CHARACTERS:,} characters begins here; if "
        "it has a quote that is never closed, close or double it"
    )


def _refuse_other_files(data: bytes, name: str, encoding: str | None) -> None:
    for start, what in _OTHER_FILES.items():
        if data.startswith(start):
            raise TableError(f"{name}: is {what}")
    for mark, found in _MARKS.items():
        if encoding is None and data.startswith(mark):
            raise TableError(
                f"{name}: line 1: is not UTF-8 but {found.upper()}; give its encoding: "
                f"--encoding {found}"
            )
    other = encoding is not None and not codecs.lookup(encoding).name.startswith("utf-8")
    if other and data.startswith(codecs.BOM_UTF8):
        raise TableError(
            f"{name}: line 1: is not {encoding} but UTF-8, by its byte order mark; leave out the "
            "encoding"
        )


def _not_decoded(name: str, line: int, encoding: str | None) -> TableError:
    if encoding is None:
        advice = "give its encoding, for instance --encoding cp1252, or convert it with iconv"
        return TableError(f"{name}: line {line}: is not UTF-8; {advice}")
    known = codecs.lookup(encoding).name
    if line == 1 and known in _MARKS.values():
        marked = f"another encoding; without a byte order mark it may be {known}-le or {known}-be"
        return TableError(f"{name}: line 1: is not {encoding}; give {marked}")
    return TableError(f"{name}: line {line}: is not {encoding}; give another encoding")
