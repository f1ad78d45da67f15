"""Inputs of a command: one text, or the texts of a file one at a time."""

import csv
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from rnn_infer.cli.guards import fail
from rnn_infer.text.tables import columns


def read_text(source: str) -> str:
    """Read a whole file, or standard input (-), as one text.

    Raises:
        click.ClickException: the file cannot be read.
        UnicodeDecodeError: it is not UTF-8.
    """
    try:
        with click.open_file(source, "rb") as stream:
            data = stream.read()
    except OSError as error:
        fail(f"{source}: cannot be read: {error.strerror}")
    if source == "-":
        # `echo` and editors add a line end that is not part of the prompt.
        data = data.removesuffix(b"\n").removesuffix(b"\r")
    return str(data, "utf-8-sig")


def read_texts(source: str) -> Iterator[str]:
    """Yield the texts of a file one at a time, so that memory stays constant.

    Args:
        source: a .csv, .tsv or .jsonl file, another file of one text per line, or - for standard
            input.

    Raises:
        click.ClickException: the file cannot be read, or a line is bad. The message names it.
    """
    try:
        with click.open_file(source, "rb") as stream:
            yield from _rows(source, _lines(source, _watched(source, stream)))
    except OSError as error:
        fail(f"{source}: cannot be read: {error.strerror}")
    except csv.Error as error:
        fail(f"{source}: is not a table of texts: {error}")


def _watched(source: str, stream: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines of a file, with a progress bar unless the output goes to the same screen."""
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
            fail(f"{source}: line {number}: is not UTF-8; convert it with iconv")


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
                fail(f'{source}: line {number}: expected {{"text": "…"}}')
            yield text
        else:
            yield line


def _cells(rows: Iterable[list[str]]) -> Iterator[str]:
    """Yield the text column of a table with a header, else the first column."""
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
