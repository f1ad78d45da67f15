"""Labelled texts of sources, in memory."""

from collections.abc import Collection, Sequence

from rnn_infer.contract import MAX_LABELS
from rnn_infer.tables.options import TableOptions
from rnn_train.data.row_stream import RowStream
from rnn_train.data.rows import Rows
from rnn_train.errors import DataError
from rnn_train.progress import Log
from rnn_train.wording import counted

MIN_ROWS = 20
"""Fewest rows to train on."""


def load_rows(
    sources: Sequence[str], options: TableOptions | None = None, log: Log | None = None
) -> Rows:
    """Reads rows to train on.

    Args:
        sources, options, log: see `read_rows`.

    Raises:
        DataError: see `read_rows`; or there are too few rows, or too few or too many labels.
    """
    rows = read_rows(sources, options, log=log)
    check_trainable(sources[0], len(rows), sorted(set(rows.labels)))
    return rows


def check_trainable(source: str, rows: int, labels: Sequence[str]) -> None:
    """Checks that rows are enough to train on.

    Args:
        source: named in messages.
        rows: number of rows.
        labels: the different labels.

    Raises:
        DataError: there are too few rows, or too few or too many labels.
    """
    if rows < MIN_ROWS:
        raise DataError(f"{source}: {counted(rows, 'row')}; at least {MIN_ROWS} are needed")
    if len(labels) < 2:
        raise DataError(f"{source}: all rows have the label {labels[0]!r}; two or more are needed")
    if len(labels) > MAX_LABELS:
        raise DataError(
            f"{source}: {len(labels):,} labels, over the limit of {MAX_LABELS:,}; if another "
            "column holds the labels, name it with --label-column"
        )


def read_rows(
    sources: Sequence[str],
    options: TableOptions | None = None,
    known: Collection[str] = (),
    log: Log | None = None,
) -> Rows:
    """Reads labelled texts.

    Args:
        sources: of a `RowStream`.
        options: how tables are read.
        known: labels of a model. A column of them is the label column.
        log: takes a line about each source, and a warning about rows that are left out.

    Returns:
        The rows of all sources, in order.

    Raises:
        DataError: a source is missing or malformed (the message names file and line), or there are
            no rows.
    """
    stream = RowStream(sources, options, known)
    pairs = list(stream)
    if not pairs:
        raise DataError(f"{sources[0]}: holds 0 rows; at least one is needed")
    if log is not None:
        for line in stream.report():
            log(line)
    return Rows(tuple(text for text, _ in pairs), tuple(label for _, label in pairs))
