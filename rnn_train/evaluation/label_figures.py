"""Figures of each label: in the JSON of an evaluation, and as a table in a CSV file."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from rnn_train.evaluation import metrics
from rnn_train.evaluation.prediction_sets import PredictionSets
from rnn_train.files import write_bytes

OF_SETS = ("coverage", "mean_set_size")
"""Figures that are there only if prediction sets were asked for."""


@dataclass(frozen=True)
class LabelFigures:
    """Figures of one label."""

    label: str
    rows: int
    precision: float
    recall: float
    f1: float
    coverage: float | None = None
    """Share of its rows whose prediction set holds the label; None: no sets were asked for."""
    mean_set_size: float | None = None
    """Mean number of labels in the sets of its rows."""
    share_predicted: float = 0.0
    """Share of all rows for which this label was predicted."""
    most_confused_with: str | None = None
    """The label that was most often predicted in its place. None: it never happened."""


def of_labels(
    predicted: Tensor, truth: Tensor, names: Sequence[str], sets: PredictionSets | None
) -> tuple[LabelFigures, ...]:
    """Computes the figures of all labels.

    Args:
        predicted: index of the predicted label of each row, [rows].
        truth: index of the true label of each row, [rows].
        names: name of each label.
        sets: prediction sets of the rows, if they were asked for.
    """
    shares = np.bincount(predicted.numpy(), minlength=len(names)) / len(truth)
    rivals = _rivals(truth.numpy(), predicted.numpy(), len(names))
    return tuple(
        LabelFigures(
            name,
            int(each["rows"]),
            each["precision"],
            each["recall"],
            each["f1"],
            *(sets.of_rows(truth == i) if sets else (None, None)),
            share_predicted=float(shares[i]),
            most_confused_with=names[rivals[i]] if rivals[i] >= 0 else None,
        )
        for i, (name, each) in enumerate(metrics.by_label(predicted, truth, names).items())
    )


def write_table(labels: Sequence[LabelFigures], path: Path) -> None:
    """Writes a CSV table with one row a label.

    Args:
        labels: the rows, in order.
        path: of the file. Its folder is made if it does not exist.

    Raises:
        RunError: the file cannot be written.
    """
    columns = [
        "label",
        "rows",
        "precision",
        "recall",
        "f1",
        "share_predicted",
        "most_confused_with",
    ]
    if any(each.coverage is not None for each in labels):
        columns += OF_SETS
    assert set(columns) <= {each.name for each in fields(LabelFigures)}
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(columns)
    for each in labels:
        table.writerow([_cell(getattr(each, column)) for column in columns])
    write_bytes(path, stream.getvalue().encode())


def _cell(value: str | float | None) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _rivals(
    truth: NDArray[np.int64], predicted: NDArray[np.int64], count: int
) -> NDArray[np.int64]:
    """Returns for each label the one that most often took its place, [labels]; -1: none."""
    wrong = truth != predicted
    pairs, rows = np.unique(truth[wrong] * count + predicted[wrong], return_counts=True)
    rivals = np.full(count, -1)
    # From few rows to many: the last one of a label stays. Of equal ones it is the first label.
    for pair in pairs[np.lexsort((-pairs, rows))].tolist():
        rivals[pair // count] = pair % count
    return rivals
