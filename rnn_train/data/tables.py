"""Tables of labelled texts: CSV, TSV and JSON lines. Each becomes pairs of a text and its label."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

from rnn_infer.text.tables import columns
from rnn_train.errors import DataError


def read_table(text: str, path: Path) -> Iterator[tuple[str, str]]:
    """Reads a CSV or TSV table.

    Without a header, the table has two columns: text and label. A header names both columns, and
    the table may have more.

    Args:
        text: contents of the file; not empty.
        path: its suffix selects the delimiter: a tab for `.tsv`, otherwise a comma.

    Yields:
        Text and label of each row.

    Raises:
        DataError: the table is malformed. The message names the line.
    """
    rows = _cells(text, path)
    first = rows[0][1]
    text_column, label_column = columns(first)
    if label_column is not None and text_column is not None:
        del rows[0]
    elif len(first) != 2 or label_column is not None or text_column is not None:
        # If only one name is known, the line may be a header or a row. It is better not to guess.
        raise DataError(
            f"{path}: line 1: {len(first)} columns; give two (text, label) or a header with "
            "'text' and 'label'"
        )
    else:
        text_column, label_column = 0, 1
    for line, row in rows:
        if len(row) != len(first):
            raise DataError(
                f"{path}: line {line}: {len(row)} columns where line 1 has {len(first)}; quote "
                "a text that contains the delimiter"
            )
        yield _pair(row[text_column], row[label_column], path, line)


def read_json_lines(text: str, path: Path) -> Iterator[tuple[str, str]]:
    """Reads JSON lines: one object with the keys `text` and `label` on each line.

    Args:
        text: contents of the file.
        path: named in messages.

    Yields:
        Text and label of each line that is not blank.

    Raises:
        DataError: a line is malformed. The message names it.
    """
    for line, content in enumerate(text.split("\n"), 1):
        if not content.strip():
            continue
        try:
            value = json.loads(content)
            found = value["text"], value["label"]
        except (ValueError, KeyError, TypeError, RecursionError):
            found = (None, None)
        if not all(isinstance(each, str) for each in found):
            raise DataError(
                f'{path}: line {line}: expected {{"text": "…", "label": "…"}} with two strings'
            )
        yield _pair(*found, path, line)


def _cells(text: str, path: Path) -> list[tuple[int, list[str]]]:
    """Returns the rows that are not blank, each with the number of its last line."""
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    limit = csv.field_size_limit(len(text) + 1)  # one text may be as long as a book
    try:
        return [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num}: {error}") from None
    finally:
        csv.field_size_limit(limit)


def _pair(text: str, label: str, path: Path, line: int) -> tuple[str, str]:
    text, label = text.strip(), label.strip()
    if not label:
        raise DataError(f"{path}: line {line}: the label is empty; add one, or delete the row")
    if not text:
        raise DataError(f"{path}: line {line}: the text is empty; add one, or delete the row")
    if any("\ud800" <= char <= "\udfff" for char in text + label):
        raise DataError(
            f"{path}: line {line}: half a surrogate pair (\\ud800 to \\udfff); repair the text"
        )
    return text, label
