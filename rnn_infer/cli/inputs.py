"""Inputs of a command: one text, or the rows of a table or list of texts."""

import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click

from rnn_infer.cli.guards import fail
from rnn_infer.tables.options import TableOptions
from rnn_infer.tables.table import Table


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


@contextmanager
def open_input(source: str, options: TableOptions, labels: Collection[str]) -> Iterator[Table]:
    """Open a file of texts, with a progress bar unless the output goes to the same screen.

    Args:
        source: a file, or - for standard input.
        options: how it is read.
        labels: of the model.

    Raises:
        TableError: the file cannot be read, or it is not clear how it is meant.
    """
    path = Path(source)
    size = path.stat().st_size if source != "-" and path.is_file() else 0
    hidden = not size or sys.stdout.isatty() or not sys.stderr.isatty()
    step = max(1, size // 100)
    with (
        click.progressbar(
            length=size, label="reading", file=sys.stderr, update_min_steps=step, hidden=hidden
        ) as bar,
        _opened(source) as stream,
    ):
        yield Table.open(stream, options, name=source, known=labels, progress=bar.update)


@contextmanager
def _opened(source: str) -> Iterator[IO[bytes]]:
    try:
        with click.open_file(source, "rb") as stream:
            yield stream
    except OSError as error:
        fail(f"{source}: cannot be read: {error.strerror}")
