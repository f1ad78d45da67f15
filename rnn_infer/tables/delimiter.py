"""The delimiter of a CSV file, found from its first lines."""

import re
from collections import Counter
from collections.abc import Sequence

from rnn_infer.errors import TableError
from rnn_infer.tables.delimited import csv_rows
from rnn_infer.tables.names import name_weight

DELIMITERS = (",", ";", "\t", "|")
"""Delimiters that are recognized."""
_DECLARED = re.compile(r"sep=(.)", re.IGNORECASE)


def declared_delimiter(line: str) -> str | None:
    """Return the delimiter of a line `sep=;`, which Excel writes and reads; None: another line."""
    found = _DECLARED.fullmatch(line.strip(" "))
    return found[1] if found else None


def find_delimiter(lines: Sequence[tuple[int, str]], name: str) -> str:
    """Choose the delimiter that gives the most rows the same number of cells.

    Args:
        lines: the first lines of a file, with their numbers.
        name: of the file, for messages.

    Returns:
        The delimiter; a comma, if the file has one column.

    Raises:
        TableError: two are equally good.
    """
    shares = {each: _share(lines, each) for each in DELIMITERS}
    best = max(shares.values())
    found = [each for each, share in shares.items() if share == best]
    if best == 0 or len(found) == 1:
        return found[0]
    if named := [each for each in found if _names_columns(lines[0][1], each)]:
        found = named
    # A comma that a space always follows is part of sentences.
    if closed := [each for each in found if not all(_spaced(line, each) for _, line in lines)]:
        found = closed
    if len(found) > 1:
        raise TableError(
            f"{name}: it is not clear whether {' or '.join(map(repr, found))} stands between the "
            f"cells; name it with --delimiter; the first row as read: {lines[0][1]!r:.100}"
        )
    return found[0]


def _share(lines: Sequence[tuple[int, str]], delimiter: str) -> float:
    """Return the share of the rows that have the most frequent number of cells; 0: it is one."""
    widths = Counter[int]()
    try:
        for _, cells in csv_rows(iter(lines), delimiter, ""):
            if len(cells) > 1 or cells[0].strip():
                widths[len(cells)] += 1
    except TableError:
        pass  # the sample may end inside a quoted cell
    widths_of_several = [(count, width) for width, count in widths.items() if width > 1]
    return max(widths_of_several)[0] / widths.total() if widths_of_several else 0


def _names_columns(line: str, delimiter: str) -> bool:
    return any(name_weight(cell) == 3 for cell in line.split(delimiter))


def _spaced(line: str, delimiter: str) -> bool:
    return line.count(delimiter) == line.count(f"{delimiter} ")
