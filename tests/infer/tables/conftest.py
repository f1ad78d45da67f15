"""A reader of small tables, written in the test."""

import io
from collections.abc import Callable

import pytest

from rnn_infer.tables.table import Table

Read = Callable[..., Table]


@pytest.fixture
def table() -> Read:
    """`table(content, name="t.csv", **options)`: opens a table that holds this text."""

    def of(content: str | bytes, name: str = "t.csv", **options: object) -> Table:
        data = content if isinstance(content, bytes) else content.encode()
        labelled = bool(options.pop("labelled", False))
        known = options.pop("known", ())
        return Table.open(
            io.BytesIO(data),
            name=name,
            labelled=labelled,
            known=known,  # type: ignore[arg-type]
            **options,  # type: ignore[arg-type]
        )

    return of
