"""What a command reads: one text, or the texts of a file, one at a time."""

import csv
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NoReturn

import click

from rnn_infer.text.tables import columns


def read_text(source: str) -> str:
    """A whole file, or what stands on standard input (-), as one text."""
    try:
        with click.open_file(source, "rb") as stream:
            data = stream.read()
    except OSError as error:
        _fail(f"{source}: cannot be read: {error.strerror}")
    if source == "-":
        # A prompt from a pipe ends with the line end its maker added.
        data = data.removesuffix(b"\n").removesuffix(b"\r")
    return str(data, "utf-8-sig")


def read_texts(source: str) -> Iterator[str]:
    """Texts of a file, one at a time: memory stays constant."""
    try:
        with click.open_file(source, "rb") as stream:
            yield from _rows(source, _lines(source, _watched(source, stream)))
    except OSError as error:
        _fail(f"{source}: cannot be read: {error.strerror}")
    except csv.Error as error:
        _fail(f"{source}: is no table of texts: {error}")


def _watched(source: str, stream: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a file, with a progress bar where answers do not go to the same screen."""
    size = 0 if source == "-" else Path(source).stat().st_size
    with click.progressbar(
        length=size,
        label="reading",
        file=sys.stderr,
        update_min_steps=max(1, size // 100),
        hidden=not size or sys.stdout.isatty() or not sys.stderr.isatty(),
    ) as bar:
        for line in stream:
            yield line
            bar.update(len(line))


def _lines(source: str, stream: Iterable[bytes]) -> Iterator[str]:
    for number, line in enumerate(stream, 1):
        try:
            yield str(line, "utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            _fail(f"{source}: line {number}: is not UTF-8; convert it with iconv")


def _rows(source: str, lines: Iterable[str]) -> Iterator[str]:
    suffix = source.lower().rpartition(".")[2]
    if suffix in ("csv", "tsv"):
        yield from _cells(csv.reader(lines, delimiter="\t" if suffix == "tsv" else ","))
        return
    for number, line in enumerate(lines, 1):
        if not (line := line.strip()):
            continue
        if suffix == "jsonl":
            try:
                text = json.loads(line)["text"]
                text.encode()  # half a surrogate pair is no text
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                text = None
            if not text:
                _fail(f'{source}: line {number}: expected {{"text": "…"}}')
            yield text
        else:
            yield line


def _cells(rows: Iterable[list[str]]) -> Iterator[str]:
    """The texts of a table: under its header, or else the first cells."""
    place: int | None = None
    for row in filter(None, rows):
        if place is None:
            text, label = columns(row)
            if text is not None and label is not None:
                place = text
                continue
            place = 0
        if len(row) > place and row[place].strip():
            yield row[place].strip()


def _fail(message: str) -> NoReturn:
    raise click.ClickException(message)
