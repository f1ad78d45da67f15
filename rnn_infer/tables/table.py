"""A table or a list of texts in a file: opened, understood, and read once, row by row."""

import itertools
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import IO, Self, Unpack

from rnn_infer.errors import OptionError, TableError, because
from rnn_infer.tables.delimited import CellRows, csv_rows, tsv_rows
from rnn_infer.tables.delimiter import declared_delimiter, find_delimiter
from rnn_infer.tables.json_layout import find_keys
from rnn_infer.tables.json_rows import ObjectRows, array_objects, line_objects
from rnn_infer.tables.layout import Question, find_layout
from rnn_infer.tables.lines import Numbered, Progress, number_lines, read_blocks, read_chunks
from rnn_infer.tables.names import TEXT_NAMES, find_name
from rnn_infer.tables.options import TableKeywords, TableOptions
from rnn_infer.tables.rows import (
    FASTTEXT_MARK,
    Row,
    check_width,
    rows_of_cells,
    rows_of_fasttext,
    rows_of_lines,
    rows_of_objects,
)

SAMPLE_ROWS, SAMPLE_CHARACTERS = 2_000, 1 << 22
"""How much of a file is read to find out its layout."""


class Table(Iterator[Row]):
    """The rows of a file, in order; each can be had once. Memory does not grow with the file."""

    def __init__(
        self,
        rows: Iterator[Row],
        columns: tuple[str, ...],
        text: str,
        label: str | None,
        how: str,
        doubt: str,
        name: str,
        unit: str = "line",
    ) -> None:
        """Use `Table.open`."""
        self._rows, self._unit = rows, unit
        self.name = name
        """Name of the file, for messages."""
        self.columns = columns
        """Name of each column; its number, if the table has no header. Empty: lines of text."""
        self.text_column = text
        """Name of the column of the texts."""
        self.label_column = label
        """Name of the column of the labels, if there is one."""
        self.how = how
        """How the file was read, in words for the user."""
        self.doubt = doubt
        """What of that may be wrong, and what to do then. Empty: nothing."""

    @classmethod
    def open(
        cls,
        source: str | Path | IO[bytes],
        options: TableOptions | None = None,
        *,
        name: str = "",
        labelled: bool = False,
        known: Collection[str] = (),
        progress: Progress | None = None,
        **keywords: Unpack[TableKeywords],
    ) -> Self:
        """Open a file and find out its layout.

        Args:
            source: a path, or an open binary file.
            options: how to read it.
            name: of an open file, for messages; its suffix tells the format.
            labelled: whether each row must have a label.
            known: labels of a model. A column of them is the label column.
            progress: is told the number of bytes that were read since its last call.
            **keywords: fields of `TableOptions`, in place of `options`.

        Raises:
            TableError: the file cannot be read, or it is not clear how it is meant.
            OptionError: an option has a wrong value.
        """
        if options is not None and keywords:
            raise OptionError("give options, or single keywords, not both")
        if options is not None and not isinstance(options, TableOptions):
            raise OptionError(f"options must be TableOptions, got {options!r}")
        if not isinstance(source, str | Path) and not hasattr(source, "read"):
            raise OptionError(f"a table is a path or an open file, got {source!r}")
        options = options or TableOptions(**keywords)
        name = name or (str(source) if isinstance(source, str | Path) else "-")
        question = Question(name, options, labelled, frozenset(known))
        chunks = _chunks(source, name, options.encoding, progress)
        kind = options.format_of(name)
        if kind == "json":
            head = list(itertools.islice(_filled(chunks), 1))
            chunks = itertools.chain(head, chunks)
            if head and head[0].lstrip().startswith("["):
                found = _json(array_objects(chunks, name), question, "object")
                return cls(*found, name, "object")
            kind = "jsonl"
        lines = number_lines(read_blocks(chunks, name))
        if kind == "jsonl":
            return cls(*_json(line_objects(lines, name), question, "line"), name)
        if kind == "lines":
            return cls(*_lines(lines, question), name)
        return cls(*_delimited(lines, question, "\t" if kind == "tsv" else None), name)

    def __iter__(self) -> Iterator[Row]:
        # Not the table itself: each row would take one call more.
        return self._rows

    def __next__(self) -> Row:
        return next(self._rows)

    def place(self, row: Row) -> str:
        """Return where a row stands, for messages."""
        return f"{self.name}: {self._unit} {row.line}"


_Parts = tuple[Iterator[Row], tuple[str, ...], str, str | None, str, str]


def _chunks(
    source: str | Path | IO[bytes], name: str, encoding: str | None, progress: Progress | None
) -> Iterator[str]:
    try:
        if isinstance(source, str | Path):
            with Path(source).open("rb") as stream:
                yield from read_chunks(stream, name, encoding, progress)
        else:
            yield from read_chunks(source, name, encoding, progress)
    except OSError as error:
        raise TableError(f"{name}: cannot be read: {because(error)}") from error


def _filled(chunks: Iterator[str]) -> Iterator[str]:
    """Leave out chunks of white space."""
    return (chunk for chunk in chunks if chunk and not chunk.isspace())


def _sample(lines: Numbered) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    size = 0
    for number, line in lines:
        found.append((number, line))
        size += len(line)
        if len(found) >= SAMPLE_ROWS or size > SAMPLE_CHARACTERS:
            break
    return found


def _lines(lines: Numbered, question: Question) -> _Parts:
    sample = _sample(lines)
    lines = itertools.chain(sample, lines)
    first = next((line for _, line in sample if line and not line.isspace()), "")
    if first.lstrip().startswith(FASTTEXT_MARK):
        rows = rows_of_fasttext(lines, question.name)
        return rows, (), "text", "label", f"lines of {FASTTEXT_MARK}… and a text", ""
    if question.labelled:
        raise TableError(
            f"{question.name}: labelled data is a .csv, .tsv, .jsonl or .json file, or lines of "
            f"{FASTTEXT_MARK}LABEL TEXT; for another suffix name the --format"
        )
    return rows_of_lines(lines), (), "text", None, "one text a line", ""


def _json(objects: ObjectRows, question: Question, what: str) -> _Parts:
    sample = list(itertools.islice(objects, SAMPLE_ROWS))
    if not sample:
        return iter(()), (), "text", None, "no rows", ""
    place = f"{question.name}: {what} {sample[0][0]}"
    text, label, keys = find_keys([found for _, found in sample], question, place)
    objects = itertools.chain(sample, objects)
    rows = rows_of_objects(objects, text, label if question.labelled else None, question.name, what)
    return (
        rows,
        keys,
        text,
        label,
        f"JSON objects, {_roles(text, label)}",
        _doubt(keys, text, question),
    )


def _delimited(lines: Numbered, question: Question, delimiter: str | None) -> _Parts:
    name, options = question.name, question.options
    sample = _sample(lines)
    filled = [(number, line) for number, line in sample if line and not line.isspace()]
    if not filled:
        return _blank_rows(itertools.chain(sample, lines), name), (), "1", None, "no rows", ""
    if declared := declared_delimiter(filled[0][1]):
        del sample[: sample.index(filled.pop(0)) + 1]
    if options.format == "csv" and options.delimiter == "\t":
        delimiter = None
    delimiter = options.delimiter or delimiter or declared
    delimiter = delimiter or find_delimiter(filled, name)
    tabs = delimiter == "\t" and options.format != "csv"
    lines = itertools.chain(sample, lines)
    records: CellRows
    if tabs:
        width = filled[0][1].count("\t") + 1 if filled else 1
        records = tsv_rows(lines, delimiter, width)
    else:
        records = csv_rows(lines, delimiter, name)
    head = list(itertools.islice(records, SAMPLE_ROWS))
    filled_rows = [cells for _, cells in head if len(cells) > 1 or cells[0].strip()]
    if not filled_rows:
        rest = ((number, delimiter.join(cells)) for number, cells in itertools.chain(head, records))
        return _blank_rows(rest, name), (), "1", None, "no rows", ""
    for number, cells in head:
        check_width(cells, len(filled_rows[0]), f"{name}: line {number}")
    layout = find_layout(filled_rows, question)
    if layout.header:  # and blank lines before it are no rows
        while head and head.pop(0)[1] is not filled_rows[0]:
            pass
    strict = question.labelled or not (layout.header or tabs)
    records = itertools.chain(head, records)
    rows = rows_of_cells(records, layout, name, strict=strict, blank=tabs)
    text = layout.columns[layout.text]
    label = None if layout.label is None else layout.columns[layout.label]
    header = "a header" if layout.header else "no header"
    how = f"{delimiter!r} between cells, {header}, {_roles(text, label)}"
    doubt = _doubt(layout.columns, text, question) if layout.header else ""
    if len(filled_rows) == 1 and not layout.header and options.header is None:
        doubt = "its one row is read as a text; if it is a header, say --header"
    return rows, layout.columns, text, label, how, doubt


def _roles(text: str, label: str | None) -> str:
    return f"text: {text!r}" + ("" if label is None else f", label: {label!r}")


def _doubt(columns: Sequence[str], text: str, question: Question) -> str:
    """Say that the text column was found by what it holds, and not by its name."""
    asked = question.options.text_column is not None
    if asked or len(columns) < 2 or find_name([text], TEXT_NAMES) is not None:
        return ""
    return f"the texts are taken from column {text!r}; to name another one, give --text-column"


def _blank_rows(lines: Numbered, name: str) -> Iterator[Row]:
    """Return the rows of a file that is blank as far as its layout is looked for.

    Raises:
        TableError: the file is not blank further on.
    """
    for row in rows_of_lines(lines):
        if row.text:
            raise TableError(
                f"{name}: line {row.line}: all lines before it are blank; delete them, so that the "
                "layout of the table can be found"
            )
        yield row
