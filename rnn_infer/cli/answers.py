"""Answers of `classify` as lines: text for a person, JSON, or CSV."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Literal

from rnn_infer.cli.json_output import prediction_lines
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


def answer_lines(
    output: Output,
    predictions: Sequence[Prediction],
    rows: Sequence[Row],
    kept: KeptColumns,
    sets: bool = False,
) -> str:
    """Return the lines of some answers.

    Args:
        output: kind of the lines.
        predictions: [rows].
        rows: [rows] of the input.
        kept: columns that are given back.
        sets: the labels, which are a prediction set, get a member or a column of their own. In
            CSV it holds a JSON array, since a label may hold any character.
    """
    if output == "json":
        return prediction_lines(predictions, kept.json_parts(rows), sets)
    if output == "text":
        return "\n".join(map(prediction_line, predictions))
    return "\n".join(
        _csv_line([*_csv_cells(prediction, sets), *kept.texts(row)])
        for prediction, row in zip(predictions, rows, strict=True)
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
    csv.writer(stream, lineterminator="").writerow(cells)
    return stream.getvalue()
