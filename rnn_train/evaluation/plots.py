"""Plots as PNG files: loss curve, confusion matrix, reliability diagram."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from numpy.typing import NDArray

from rnn_train.evaluation.confusion_groups import most_confused
from rnn_train.evaluation.metrics import Reliability
from rnn_train.files import all_or_none, replacing
from rnn_train.wording import counted

matplotlib.use("Agg")
from matplotlib import pyplot

_MAX_INCHES = 60
_MAX_LABELS = 50
"""Labels of a confusion matrix. Of more, the most confused are shown, and the rest as one."""
_MAX_LABEL = 40
"""Longest label that is drawn in full, in characters."""


def loss_curve(metrics: Sequence[dict[str, Any]], path: Path) -> None:
    """Draws the training loss and the held-out loss over the steps.

    Args:
        metrics: rows of a run's metrics.jsonl.
        path: the PNG file.

    Raises:
        RunError: the file cannot be written.
    """
    figure, axes = pyplot.subplots(figsize=(7, 4.5), layout="constrained")
    steps = [row["step"] for row in metrics]
    axes.plot(steps, [row["loss"] for row in metrics], label="training", color="0.6")
    held = [(row["step"], row["val_loss"]) for row in metrics if "val_loss" in row]
    if held:
        axes.plot(*zip(*held, strict=True), label="held out", color="C0", marker=".")
        best = min(held, key=lambda pair: pair[1])
        axes.annotate(f"{best[1]:.3f}", best, textcoords="offset points", xytext=(0, -14))
    axes.set(xlabel="step", ylabel="nats", title="loss")
    axes.legend()
    axes.grid(alpha=0.3)
    _save(figure, path)


def confusion_matrix(
    truth: NDArray[np.int64], predictions: NDArray[np.int64], labels: Sequence[str], path: Path
) -> None:
    """Draws, for each true label, the share of each predicted label.

    Of many labels, only those with most confusion are drawn, and those that are confused with each
    other stand together; the title says so.

    Args:
        truth: index of each row's true label, [rows].
        predictions: index of each row's predicted label, [rows].
        labels: name of each label.
        path: the PNG file.

    Raises:
        RunError: the file cannot be written.
    """
    from sklearn.metrics import confusion_matrix as count

    truth, predictions, labels, title = _grouped(truth, predictions, labels)
    table = count(truth, predictions, labels=range(len(labels)), normalize="true")
    size = min(max(5, 0.42 * len(labels) + 2), _MAX_INCHES)
    figure, axes = pyplot.subplots(figsize=(size, size), layout="constrained")
    axes.imshow(table, cmap="Blues", vmin=0, vmax=1)
    for (row, column), share in np.ndenumerate(table):
        if share >= 0.05:
            color = "white" if share > 0.5 else "black"
            axes.text(
                column, row, f"{share:.0%}", ha="center", va="center", fontsize=6, color=color
            )
    ticks, names = range(len(labels)), [_short(label) for label in labels]
    axes.set_xticks(ticks, names, rotation=90, parse_math=False)
    axes.set_yticks(ticks, names, parse_math=False)
    axes.set(xlabel="predicted label", ylabel="true label", title=title)
    _save(figure, path)


def _grouped(
    truth: NDArray[np.int64], predictions: NDArray[np.int64], labels: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64], Sequence[str], str]:
    """Puts the labels with the least confusion together, if there are too many to read.

    Returns:
        True and predicted label of each row, the names of the labels, and the title.
    """
    if len(labels) <= _MAX_LABELS:
        return truth, predictions, labels, "held-out rows"
    shown = most_confused(truth, predictions, len(labels), _MAX_LABELS - 1)
    place = np.full(len(labels), len(shown))
    place[shown] = np.arange(len(shown))
    names = [labels[i] for i in shown] + [counted(len(labels) - len(shown), "other label")]
    title = (
        f"held-out rows: the {len(shown)} of {len(labels)} labels with most confusion, grouped; "
        "the others count as one"
    )
    return place[truth], place[predictions], names, title


def _short(label: str) -> str:
    return label if len(label) <= _MAX_LABEL else label[: _MAX_LABEL - 1] + "…"


def reliability_diagram(reliability: Reliability, path: Path) -> None:
    """Draws accuracy over the predicted probability (DeGroot & Fienberg, 1983).

    Args:
        reliability: the bins.
        path: the PNG file.

    Raises:
        RunError: the file cannot be written.
    """
    figure, (axes, below) = pyplot.subplots(
        2, 1, figsize=(5, 6), height_ratios=(4, 1), sharex=True, layout="constrained"
    )
    axes.plot([0, 1], [0, 1], color="0.6", linestyle="--")
    axes.plot(reliability.confidence, reliability.accuracy, color="C0", marker="o")
    axes.set(ylabel="accuracy", ylim=(0, 1))
    axes.set_title(f"held-out rows: calibration error {reliability.error:.3f}")
    axes.grid(alpha=0.3)
    edges = np.linspace(0, 1, len(reliability.share) + 1)
    below.stairs(reliability.share, edges, fill=True)
    below.set(xlabel="predicted probability", ylabel="rows", xlim=(0, 1))
    _save(figure, path)


def classifier_plots(
    truth: NDArray[np.int64],
    predictions: NDArray[np.int64],
    reliability: Reliability,
    labels: Sequence[str],
    folder: Path,
) -> list[Path]:
    """Draws confusion.png and reliability.png in a folder.

    Args:
        truth: index of each row's true label, [rows].
        predictions: index of each row's predicted label, [rows].
        reliability: the bins.
        labels: name of each label.
        folder: must exist.

    Returns:
        The two files.

    Raises:
        RunError: a file cannot be written. Then neither is.
    """
    paths = [folder / "confusion.png", folder / "reliability.png"]
    with all_or_none(*paths):
        confusion_matrix(truth, predictions, labels, paths[0])
        reliability_diagram(reliability, paths[1])
    return paths


def _save(figure: Any, path: Path) -> None:
    try:
        with replacing(path) as stream, warnings.catch_warnings():
            # A character that no installed font has is drawn as a box.
            warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
            figure.savefig(stream, format="png", dpi=120, metadata={"Software": None})
    finally:
        pyplot.close(figure)
