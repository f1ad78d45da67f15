"""Rows: a text and perhaps its label, taken out of cells, objects and lines."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rnn_infer.errors import TableError
from rnn_infer.tables.cells import MISSING, json_label, json_text
from rnn_infer.tables.delimited import CellRows
from rnn_infer.tables.json_rows import ObjectRows
from rnn_infer.tables.layout import Layout
from rnn_infer.tables.lines import Numbered

FASTTEXT_MARK = "__label__"
"""Stands before a label in a file of fastText: `__label__spam Call now`."""


# A flat tuple, because a large table makes hundreds of thousands of these per second.
class Row(NamedTuple):
    """One row of a table."""

    text: str
    """Without the spaces around it. Empty: the row has no text."""
    label: str | None
    """Empty: the row has no label. None: the table has no labels, or they are not needed."""
    line: int
    """Number of the row's first line; in a JSON array, its place; both from 1."""
    cells: Sequence[str] | Mapping[str, Any]
    """The whole row: its cells, or its JSON object."""


def rows_of_cells(
    records: CellRows, layout: Layout, name: str, *, strict: bool, blank: bool
) -> Iterator[Row]:
    """Take texts and labels out of cells.

    Args:
        records: the cells of each row.
        layout: where text and label are.
        name: of the file, for messages.
        strict: a row must have all cells. Otherwise a missing cell is empty.
        blank: a blank line is a row. Otherwise it is left out.

    Raises:
        TableError: a row has too many cells, or too few. The message names its line.
    """
    text_at, label_at, width = layout.text, layout.label, layout.width
    new = tuple.__new__  # what `Row` calls, in half of the time
    for line, found in records:
        cells, count = found, len(found)
        if count != width:
            if count > 1 or cells[0].strip():
                cells = _fitted(cells, layout, f"{name}: line {line}", strict)
                count = len(cells)
            elif not blank:
                continue
        text = cells[text_at].strip() if text_at < count else ""
        label = None
        if label_at is not None:
            label = cells[label_at].strip() if label_at < count else ""
            if label in MISSING:
                label = ""
            elif strict and layout.header and label == layout.columns[label_at] == cells[label_at]:
                _refuse_header_again(cells, layout, f"{name}: line {line}")
        yield new(Row, ("" if text in MISSING else text, label, line, cells))


def rows_of_objects(
    records: ObjectRows, text_key: str, label_key: str | None, name: str, what: str
) -> Iterator[Row]:
    """Take texts and labels out of JSON objects.

    Args:
        records: the objects.
        text_key, label_key: keys of both.
        name: of the file, for messages.
        what: "line" or "object", for messages.

    Raises:
        TableError: a key is missing, or a value has a wrong type. The message names the row.
    """
    for line, found in records:
        place = f"{name}: {what} {line}"
        if text_key not in found:
            raise TableError(f'{place}: expected {{"{text_key}": "…"}}; the key is missing')
        label = None
        if label_key is not None:
            if label_key not in found:
                raise TableError(f'{place}: expected {{"{label_key}": "…"}}; the key is missing')
            label = json_label(found[label_key], place)
        yield Row(json_text(found[text_key], place), label, line, found)


def rows_of_lines(lines: Numbered) -> Iterator[Row]:
    """Make a row of each line."""
    for number, line in lines:
        yield Row(line.strip(), None, number, (line,))


def rows_of_fasttext(lines: Numbered, name: str) -> Iterator[Row]:
    """Take the label off the beginning of each line.

    Raises:
        TableError: a line has two labels, or none. The message names it.
    """
    for number, line in lines:
        first, _, text = line.strip().partition(" ")
        text = text.strip()
        if first and not first.startswith(FASTTEXT_MARK):
            raise TableError(f"{name}: line {number}: expected {FASTTEXT_MARK}… and a text")
        if text.startswith(FASTTEXT_MARK):
            raise TableError(f"{name}: line {number}: has two labels; a text has one; keep one")
        yield Row(text, first.removeprefix(FASTTEXT_MARK), number, (line,))


def _refuse_header_again(cells: list[str], layout: Layout, place: str) -> None:
    if tuple(cells) == layout.columns:
        raise TableError(f"{place}: the header stands here again; delete the line")


def check_width(cells: list[str], width: int, place: str) -> None:
    """Refuse a row that has more cells than the first row, unless they are empty.

    Raises:
        TableError: it has.
    """
    if len(cells) > width and any(map(str.strip, cells[width:])):
        raise _wrong_width(cells, width, place)


def _wrong_width(cells: list[str], width: int, place: str) -> TableError:
    advice = "quote a text that contains the delimiter, and double a quote inside quotes"
    found = f"{len(cells)} column{'s' * (len(cells) != 1)}"
    return TableError(f"{place}: {found} where the first row has {width}; {advice}")


def _fitted(cells: list[str], layout: Layout, place: str, strict: bool) -> list[str]:
    """Cut empty cells off the end of a row that is too long, or refuse a row."""
    width = layout.width
    if len(cells) > width and not any(map(str.strip, cells[width:])):
        return cells[:width]
    if len(cells) > width or strict or any("\n" in cell for cell in cells):
        raise _wrong_width(cells, width, place)
    return cells
