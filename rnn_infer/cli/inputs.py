"""Inputs of a command: one text, or the rows of a table or list of texts."""

import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NoReturn

import click

from rnn_infer.cli.guards import fail
from rnn_infer.errors import because
from rnn_infer.tables.options import TableOptions
from rnn_infer.tables.table import Table

_CLEAR_LINE = "\r\x1b[K"


def read_text(source: str) -> str:
    """Read a whole file, or standard input (-), as one text.

    Raises:
        click.ClickException: the file cannot be read.
        UnicodeDecodeError: it is not UTF-8.
    """
    with _opened(source) as stream:
        try:
            data = stream.read()
        except OSError as error:
            _unreadable(source, error)
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
    size = 0 if source == "-" else _size(Path(source))
    hidden = not size or _on_screen(sys.stdout) or not _on_screen(sys.stderr)
    step = max(1, size // 100)
    with (
        click.progressbar(
            length=size, label="reading", file=sys.stderr, update_min_steps=step, hidden=hidden
        ) as bar,
        _opened(source) as stream,
    ):
        table = Table.open(stream, options, name=source, known=labels, progress=bar.update)
        if table.doubt:  # the progress bar is on this line
            click.echo(f"{'' if hidden else _CLEAR_LINE}{source}: {table.doubt}", err=True)
        yield table


@contextmanager
def _opened(source: str) -> Iterator[IO[bytes]]:
    """Open a file. An error of the block is no error of this file, and passes."""
    if source == "-" and sys.stdin is None:
        fail("standard input is closed; name a file, or send it through a pipe")
    try:
        stream = click.open_file(source, "rb")
    except OSError as error:
        _unreadable(source, error)
    try:
        yield stream
    finally:
        if source != "-":
            with suppress(OSError):  # all that was wanted has been read
                stream.close()


def _size(path: Path) -> int:
    """Return the size of a regular file, for the progress bar. If it is unknown, there is none."""
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:
        return 0


def _on_screen(stream: IO[str] | None) -> bool:
    return stream is not None and stream.isatty()  # a program without a console has none


def _unreadable(source: str, error: OSError) -> NoReturn:
    fail(f"{source}: cannot be read: {because(error)}")
