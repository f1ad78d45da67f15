"""Text sources: files, folders and globs, read as chunks of clean text."""

import codecs
import fnmatch
import glob
import io
import os
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from rnn_infer.errors import because
from rnn_train.errors import DataError

CHUNK_BYTES = 1 << 20
_FOREIGN_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


@dataclass(frozen=True)
class TextFile:
    """One file of a text source."""

    path: Path
    declared: bool = False
    """True for Python source: it is decoded with its declared encoding (PEP 263), not as UTF-8."""

    def chunks(self) -> Iterator[str]:
        """Reads the text in chunks, with LF as line end and without a leading byte order mark.

        Yields:
            The text, chunk by chunk.

        Raises:
            DataError: the file cannot be read, or is not UTF-8 text. The message names the byte.
        """
        encoding = _declared_encoding(self.path) if self.declared else "utf-8"
        decoder = codecs.getincrementaldecoder(encoding)("strict")
        # It also recognizes a CRLF that is cut by the border of two chunks.
        newlines = io.IncrementalNewlineDecoder(None, translate=True)
        offset = 0
        try:
            with self.path.open("rb") as stream:
                while data := stream.read(CHUNK_BYTES):
                    if offset == 0:
                        size = len(data)
                        data = _without_byte_order_mark(data, self.path)
                        offset = size - len(data)
                    if b"\0" in data:
                        raise DataError(_describe_binary(self.path, data, offset))
                    yield newlines.decode(self._decode(decoder, data, offset, final=False))
                    offset += len(data)
            yield newlines.decode(self._decode(decoder, b"", offset, final=True), final=True)
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read: {because(error)}") from error

    def _decode(
        self, decoder: codecs.IncrementalDecoder, data: bytes, offset: int, final: bool
    ) -> str:
        held = len(decoder.getstate()[0])  # bytes of a character that the last chunk has cut
        try:
            return decoder.decode(data, final)
        except UnicodeDecodeError as error:
            position = offset - held + error.start
            raise DataError(
                f"{self.path}: not {error.encoding.upper()} at byte {position} ({error.reason}); "
                f"convert it, for instance: iconv -f WINDOWS-1252 -t UTF-8 {self.path.name}"
            ) from None


def find_texts(sources: Sequence[str]) -> list[TextFile]:
    """Finds the files of text sources.

    Args:
        sources: each is a file, a folder (all files in it, recursively, sorted, without hidden
            ones) or a glob.

    Returns:
        The files of all sources, in order.

    Raises:
        DataError: a source has no files.
    """
    files: list[TextFile] = []
    for source in sources:
        path = expand(source)
        if path.is_file():
            found = [path]
        elif path.is_dir():
            found = sorted(p for p in _walk(path) if p.is_file() and not _hidden(p, path))
            if not found:
                raise DataError(f"{source}: the folder holds no files; name one with texts")
        else:
            found = sorted(each for each in set(_matches(path)) if each.is_file())
            if not found:
                raise DataError(f"{source}: no such file, folder, glob or named set; check it")
        files += [TextFile(each) for each in found]
    return files


def expand(source: str) -> Path:
    """Converts a source to a path. A leading `~` is the home folder.

    Raises:
        DataError: the source cannot be a path: it names an unknown user, or is too long.
    """
    try:
        path = Path(source).expanduser()
        path.is_file()
    except (RuntimeError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{source}: no such file or folder ({reason}); check the path") from error
    return path


def _walk(folder: Path) -> Iterator[Path]:
    """Lists a folder with all folders in it. `Path.rglob` leaves out those that it may not read.

    Raises:
        DataError: a folder cannot be listed.
    """

    def refuse(error: OSError) -> NoReturn:
        raise DataError(f"{error.filename}: cannot be listed: {because(error)}") from error

    for home, _, names in os.walk(folder, onerror=refuse):
        yield from (Path(home, name) for name in names)


def _matches(pattern: Path) -> Iterator[Path]:
    """Finds the paths of a glob; `**` stands for any number of folders.

    `glob.glob` leaves out what is below a folder that it may not read.

    Raises:
        DataError: a folder cannot be listed.
    """
    found = [Path(pattern.anchor)]
    parts = list(pattern.parts[bool(pattern.anchor) :])
    for part in [*parts, "*"] if parts[-1:] == ["**"] else parts:
        if part == "**":
            found = [each for start in found for each in _folders(start)]
        elif glob.has_magic(part):
            hidden = part.startswith(".")
            found = [
                folder / name
                for folder in found
                for name in fnmatch.filter(_names(folder), part)
                if hidden or not name.startswith(".")
            ]
        else:
            found = [each / part for each in found]
    yield from found


def _folders(start: Path) -> Iterator[Path]:
    """Yields a folder and all folders below it, without hidden ones."""
    if start.is_dir():
        yield start
        for name in _names(start):
            if not name.startswith("."):
                yield from _folders(start / name)


def _names(folder: Path) -> list[str]:
    """Lists a folder. What is no folder holds nothing."""
    try:
        return sorted(each.name for each in folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed: {because(error)}") from error


def _hidden(path: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(root).parts)


def _without_byte_order_mark(data: bytes, path: Path) -> bytes:
    for mark, name in _FOREIGN_BYTE_ORDER_MARKS.items():
        if data.startswith(mark):
            raise DataError(
                f"{path}: {name} text at byte 0; convert it: iconv -f {name} -t UTF-8 {path.name}"
            )
    return data.removeprefix(codecs.BOM_UTF8)


def _describe_binary(path: Path, data: bytes, offset: int) -> str:
    """Describes a file with a zero byte: UTF-16 text, or binary data.

    In UTF-16, every second byte of Latin text is zero.
    """
    position = data.index(0)
    start = data[position & ~1 : (position & ~1) + 200]
    for name, zeros, others in (("UTF-16LE", 1, 0), ("UTF-16BE", 0, 1)):
        if len(start) >= 6 and not any(start[zeros::2]) and all(start[others::2]):
            return (
                f"{path}: probably {name} text, at byte {offset}; "
                f"convert it: iconv -f {name} -t UTF-8 {path.name}"
            )
    where = offset + position
    return f"{path}: a NUL at byte {where}: this is a binary file, not text; name a text file"


def _declared_encoding(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            encoding, _ = tokenize.detect_encoding(stream.readline)
    except (SyntaxError, OSError) as error:
        reason = because(error) if isinstance(error, OSError) else f"{error}; correct it"
        raise DataError(f"{path}: {reason}") from error
    return "utf-8" if encoding == "utf-8-sig" else encoding
