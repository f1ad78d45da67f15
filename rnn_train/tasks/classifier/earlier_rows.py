"""Rows of the runs that a warm start comes from: kept as integers in the run folder."""

import json
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Literal

import numpy as np

from rnn_train.data.encoded_rows import EncodedRows
from rnn_train.data.row_store import ROW_FILES, open_rows, row_writer, write_rows
from rnn_train.data.rows import Rows
from rnn_train.errors import RunError
from rnn_train.training.run import Run

_FOLDER = "earlier"
_OLD_ROWS = "earlier.jsonl"
"""File of these rows in the folder of an older version."""
Side = Literal["train", "held_out"]


def write_rows_of(run: Run, train: Sequence[EncodedRows], held_out: EncodedRows) -> None:
    """Writes earlier rows into a run folder, in blocks.

    Args:
        run: gets a folder of row files.
        train: rows that the earlier runs were trained on.
        held_out: rows that the earlier run held out.

    Raises:
        RunError: the folder cannot be written.
    """
    folder = run.folder / _FOLDER
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder} cannot be made: {error.strerror}") from error
    with row_writer(folder) as (writer, codes):
        count = writer.add(chain.from_iterable(rows.pairs() for rows in train))
        count_held_out = writer.add(held_out.pairs())
        side = np.arange(count + count_held_out) >= count
        write_rows(folder, writer, codes, side, {})


def read_rows(run: Run) -> dict[Side, EncodedRows]:
    """Opens the earlier rows of a run, by their side; there are none without a warm start."""
    folder = run.folder / _FOLDER
    if (folder / ROW_FILES[0]).exists():
        train, held_out, _ = open_rows(folder)
        return {"train": train, "held_out": held_out}
    pairs: dict[Side, list[tuple[str, str]]] = {"train": [], "held_out": []}
    for side, text, label in _old_rows(run):
        pairs[side].append((text, label))
    return {
        side: EncodedRows.of(Rows(tuple(t for t, _ in each), tuple(label for _, label in each)))
        for side, each in pairs.items()
    }


def _old_rows(run: Run) -> Iterator[tuple[Side, str, str]]:
    path = run.folder / _OLD_ROWS
    # Not splitlines: texts may have other line ends in them, such as U+2028.
    for line in path.read_text("utf-8").strip("\n").split("\n") if path.exists() else ():
        row = json.loads(line)
        yield row["side"], row["text"], row["label"]
