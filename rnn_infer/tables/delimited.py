"""Rows of CSV and TSV files: where a cell ends, and what a quote means.

CSV (RFC 4180): a quoted cell may hold the delimiter, line ends and doubled quotes. TSV: each line
is a row. In both, a quote is a plain character unless the whole cell is properly quoted.
"""

import csv
from collections.abc import Iterator

from rnn_infer.errors import TableError
from rnn_infer.tables.lines import MAX_CHARACTERS, Numbered, too_long

Cells = list[str]
CellRows = Iterator[tuple[int, Cells]]
"""The cells of each row, with the number of the row's first line."""
_QUOTE = '"'


def csv_rows(lines: Numbered, delimiter: str, name: str) -> CellRows:
    """Split the lines of a CSV file.

    Args:
        lines: the lines, with their numbers.
        delimiter: stands between two cells.
        name: of the file, for messages.

    Yields:
        The cells of each row. A blank line is a row of one empty cell.

    Raises:
        TableError: a quote is opened and not closed, or text follows the closing quote of a cell
            of several lines. The message names the line on which the row begins.
    """
    given: Cells = []
    # The reader of Python is faster, but stops at long cells, and can name no row.
    split = csv.reader(iter(given.pop, None), delimiter=delimiter, strict=True)
    for number, line in lines:
        if _QUOTE not in line:
            yield number, line.split(delimiter)
            continue
        if ' "' not in line:
            given.append(line)
            try:
                yield number, next(split)
                continue
            except (csv.Error, IndexError):  # an open quote asks for a second line
                given.clear()
        yield number, _quoted_cells(number, line, lines, delimiter, name)


def tsv_rows(lines: Numbered, delimiter: str, width: int) -> CellRows:
    """Split the lines of a TSV file. Each line is a row.

    Args:
        lines: the lines, with their numbers.
        delimiter: stands between two cells.
        width: cells of a row. It decides whether a delimiter between quotes is part of a text.

    Yields:
        The cells of each row.
    """
    for number, line in lines:
        cells = line.split(delimiter)
        if _QUOTE in line:
            whole = line_cells(line, delimiter) if len(cells) > width else None
            cells = list(map(_unquoted, cells)) if whole is None else whole
        yield number, cells


def line_cells(line: str, delimiter: str) -> Cells | None:
    """Split one line by the rules of CSV. Return None if a quote stays open at its end."""
    cells, at = [], 0
    while True:
        cell, after = _cell(line, at, delimiter)
        if cell is None:
            return None
        cells.append(cell)
        if after > len(line):
            return cells
        at = after


def _quoted_cells(number: int, line: str, lines: Numbered, delimiter: str, name: str) -> Cells:
    cells: Cells = []
    at = 0
    while True:
        cell, after = _cell(line, at, delimiter)
        if cell is None:
            pieces = [line[line.index(_QUOTE, at) + 1 :]]
            line, at = _close(number, lines, pieces, name)
            cell, after = "\n".join(pieces).replace('""', _QUOTE), _next_cell(line, at, delimiter)
            if after < 0:
                raise TableError(
                    f"{name}: line {number}: the quote that opens here closes inside a later row; "
                    "double it, or close it on its own line"
                )
        cells.append(cell)
        if after > len(line):
            return cells
        at = after


def _cell(line: str, at: int, delimiter: str) -> tuple[str | None, int]:
    """Read the cell that begins at a position of a line.

    Returns:
        The cell, and where the next one begins: after the end of the line, if there is none. None
        and 0: the cell opens a quote that the line does not close.
    """
    opened = at
    while line[opened : opened + 1] == " ":
        opened += 1
    if line[opened : opened + 1] == _QUOTE:
        closed = _closing_quote(line, opened + 1)
        if closed < 0:
            return None, 0
        after = _next_cell(line, closed + 1, delimiter)
        if after >= 0:
            return line[opened + 1 : closed].replace('""', _QUOTE), after
    end = line.find(delimiter, at)
    return (line[at:], len(line) + 1) if end < 0 else (line[at:end], end + 1)


def _closing_quote(line: str, at: int) -> int:
    """Return the position of the first quote that is not doubled, or -1."""
    while (found := line.find(_QUOTE, at)) >= 0:
        if line[found + 1 : found + 2] != _QUOTE:
            return found
        at = found + 2
    return -1


def _next_cell(line: str, at: int, delimiter: str) -> int:
    """Return where the next cell begins, after a closing quote; -1: other text follows."""
    while line[at : at + 1] == " ":
        at += 1
    if at >= len(line):
        return len(line) + 1
    return at + 1 if line[at] == delimiter else -1


def _close(number: int, lines: Numbered, pieces: list[str], name: str) -> tuple[str, int]:
    """Add lines to the pieces of an open cell until its quote closes.

    Returns:
        The line with the closing quote, and the position after it.
    """
    size = len(pieces[0])
    for _, line in lines:
        closed = _closing_quote(line, 0)
        pieces.append(line if closed < 0 else line[:closed])
        if closed >= 0:
            return line, closed + 1
        size += len(line) + 1
        if size > MAX_CHARACTERS:
            raise too_long(name, number)
    raise TableError(
        f"{name}: line {number}: a quote is opened here and never closed; close or double it"
    )


def _unquoted(cell: str) -> str:
    """Return the content of a cell that is properly quoted, or the cell as it is."""
    if len(cell) > 1 and cell[0] == _QUOTE and _closing_quote(cell, 1) == len(cell) - 1:
        return cell[1:-1].replace('""', _QUOTE)
    return cell
