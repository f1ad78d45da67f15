"""Answers of `classify` as lines: text for a person, JSON, or CSV."""

import csv
import io
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
    "csv": ("text", "label", "probability", "reason"),
}
"""Names of an answer's own fields. In CSV they are the first columns."""


def header(output: Output, kept: KeptColumns) -> str | None:
    """Return the line before all answers, if there is one."""
    return _csv_line([*FIELDS["csv"], *kept.names]) if output == "csv" else None


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
        sets: in JSON the labels, which are a prediction set, get a member of their own.
    """
    if output == "json":
        return prediction_lines(predictions, kept.json_parts(rows), sets)
    if output == "text":
        return "\n".join(map(prediction_line, predictions))
    return "\n".join(
        _csv_line([*_csv_cells(prediction), *kept.texts(row)])
        for prediction, row in zip(predictions, rows, strict=True)
    )


def _csv_cells(prediction: Prediction) -> tuple[str, ...]:
    text, reason = prediction.text, prediction.reason or ""
    probability = repr(prediction.probability) if prediction.labels else ""
    return text, prediction.label or "", probability, reason


def _csv_line(cells: Sequence[str]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="").writerow(cells)
    return stream.getvalue()
