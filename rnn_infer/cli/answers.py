"""Answers of `classify` as lines: text for a person, JSON, or CSV."""

import csv
import io
import json
import operator
from collections.abc import Sequence
from typing import Literal

from rnn_infer.cli.json_output import prediction_heads
from rnn_infer.cli.kept_columns import KeptColumns
from rnn_infer.cli.terminal import prediction_line
from rnn_infer.predictions import Prediction
from rnn_infer.tables.rows import Row

Output = Literal["text", "json", "csv"]
FIELDS: dict[Output, tuple[str, ...]] = {
    "text": (),
    "json": ("text", "label", "probability", "top", "reason", "known", "labels"),
    "csv": ("text", "label", "probability", "reason", "known", "labels"),
}
"""Names of an answer's own fields. In CSV they are the first columns; `labels` is there only for
prediction sets."""


def header(output: Output, kept: KeptColumns, sets: bool = False) -> str | None:
    """Return the line before all answers, if there is one.

    Args:
        output: kind of the lines.
        kept: columns that are given back.
        sets: the labels of a prediction set have a column.
    """
    fields = FIELDS["csv"] if sets else FIELDS["csv"][:-1]
    return _csv_line([*fields, *kept.names]) if output == "csv" else None


def answers(output: Output, predictions: Sequence[Prediction], sets: bool = False) -> list[str]:
    """Return some answers, to which `lines` adds the columns that are given back.

    Args:
        output: kind of the lines.
        predictions: [rows].
        sets: the labels, which are a prediction set, get a member or a column of their own. In
            CSV it holds a JSON array, since a label may hold any character.

    Returns:
        [rows]: of JSON, objects without their last brace.
    """
    if output == "json":
        return prediction_heads(predictions, sets)
    if output == "text":
        return list(map(prediction_line, predictions))
    return [_csv_line(_csv_cells(prediction, sets)) for prediction in predictions]


def lines(output: Output, found: Sequence[str], rows: Sequence[Row], kept: KeptColumns) -> str:
    """Return the lines of some rows.

    Args:
        output: kind of the lines.
        found: [rows], the answers.
        rows: [rows] of the input.
        kept: columns that are given back.
    """
    if output == "json":
        more = kept.json_parts(rows)
        return "}\n".join(map(operator.add, found, more) if more else found) + "}"
    if output == "text" or not kept.names:
        return "\n".join(found)
    # With an empty cell before them, their line begins with a comma.
    return "\n".join(
        [each + _csv_line(["", *kept.texts(row)]) for each, row in zip(found, rows, strict=True)]
    )


def _csv_cells(prediction: Prediction, sets: bool) -> list[str]:
    probability = repr(prediction.probability) if prediction.labels else ""
    cells = [prediction.text, prediction.label or "", probability, prediction.reason or ""]
    cells.append(repr(prediction.known))
    if sets:
        cells.append(json.dumps(prediction.labels, ensure_ascii=False))
    return cells


def _csv_line(cells: Sequence[str]) -> str:
    stream = io.StringIO()
    # The writer quotes a cell that holds a character of the line end.
    csv.writer(stream, lineterminator="\r\n").writerow(cells)
    return stream.getvalue()[:-2]
