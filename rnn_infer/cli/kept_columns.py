"""Columns of the input that are given back beside the answers."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from json.encoder import encode_basestring
from typing import Any

from rnn_infer.errors import TableError
from rnn_infer.tables.layout import no_column, position_of
from rnn_infer.tables.rows import Row
from rnn_infer.tables.table import Table

ALL = "all"
"""In place of a name: all columns but the one of the texts."""


class KeptColumns:
    """Some columns of a table, in the order of the options."""

    def __init__(self, table: Table, asked: Sequence[str], taken: Collection[str]) -> None:
        """
        Args:
            table: the input.
            asked: names of columns, or numbers from 1 if the table has no header; or `ALL`.
            taken: names of the answer's own fields. A column with such a name gets the prefix
                `input_`.

        Raises:
            TableError: there is no such column.
        """
        if asked and not table.columns:
            raise TableError(f"{table.name}: {table.how}: no columns to keep; drop --keep")
        positions: list[int] = []
        for name in asked:
            positions += _positions(table, name)
        self._positions = list(dict.fromkeys(positions))
        self._keys = [table.columns[i] for i in self._positions]
        self.names: list[str] = []
        """Names of the columns in the output."""
        for key in self._keys:
            free = key
            while free in taken or free in self.names:
                free = f"input_{free}"
            self.names.append(free)
        self._quoted = [f", {encode_basestring(name)}: " for name in self.names]

    def values(self, row: Row) -> list[Any]:
        """Return the values of the columns: str in a table, None for a missing cell or key."""
        cells = row.cells
        if isinstance(cells, Mapping):
            return [cells.get(key) for key in self._keys]
        count = len(cells)
        return [cells[i] if i < count else None for i in self._positions]

    def texts(self, row: Row) -> list[str]:
        """Return the values as cells of a CSV file."""
        return [_cell(value) for value in self.values(row)]

    def json_parts(self, rows: Iterable[Row]) -> list[str]:
        """Return for each row the members that its JSON object gets at its end."""
        if not self._positions:
            return []
        return [
            "".join(
                [
                    key + (encode_basestring(value) if type(value) is str else _json(value))
                    for key, value in zip(self._quoted, self.values(row), strict=True)
                ]
            )
            for row in rows
        ]


def _positions(table: Table, name: str) -> list[int]:
    found = position_of(name, table.columns)
    if found is None and name.casefold() == ALL:
        return [i for i, each in enumerate(table.columns) if each != table.text_column]
    if found is None and name.isdecimal() and 1 <= int(name) <= len(table.columns):
        found = int(name) - 1
    if found is None:
        raise no_column(table.name, name, table.columns)
    return [found]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else _json(value)
