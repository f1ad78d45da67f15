"""Plots as PNG files."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from rnn_train.errors import RunError
from rnn_train.evaluation.answers import Answers
from rnn_train.evaluation.metrics import reliability
from rnn_train.evaluation.plots import confusion_matrix, loss_curve, reliability_diagram


def size(path: Path) -> tuple[int, int]:
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert data.endswith(b"IEND\xaeB`\x82")
    width, height = struct.unpack(">II", data[16:24])
    return width, height


@pytest.mark.parametrize(
    "rows",
    [
        [{"step": 1, "loss": 2.0}],
        [{"step": 1, "loss": 2.0}, {"step": 5, "loss": 1.5}],
        [{"step": 1, "loss": 2.0, "val_loss": 2.1}, {"step": 5, "loss": 1.5, "val_loss": 1.7}],
        [{"step": 1, "loss": 2.0}, {"step": 5, "loss": 1.5, "val_loss": 1.7}],
    ],
)
def test_loss_curve(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    loss_curve(rows, tmp_path / "loss.png")
    width, height = size(tmp_path / "loss.png")
    assert 300 < height < width < 2000


def test_same_plot_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        loss_curve([{"step": 1, "loss": 2.0}], tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def draw_matrix(path: Path, *labels: str) -> None:
    index = np.arange(len(labels))
    confusion_matrix(index, index, labels, path)


def test_confusion_matrix(tmp_path: Path) -> None:
    truth, predictions = np.array([0, 0, 1, 2]), np.array([0, 1, 1, 1])
    confusion_matrix(truth, predictions, ["a", "b", "c", "never seen"], tmp_path / "confusion.png")
    width, height = size(tmp_path / "confusion.png")
    assert 300 < height == width < 2000


@pytest.mark.parametrize(
    "label", ["$\\frac$", "a$b", "100 %", "a\\b", "_x^2", "中文", "עברית", "🙂", "long" * 3000]
)
def test_every_label_can_be_drawn(tmp_path: Path, label: str) -> None:
    draw_matrix(tmp_path / "confusion.png", label, "other")
    size(tmp_path / "confusion.png")


def test_size_is_limited_for_many_labels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An image of 30,000 by 30,000 pixels would take all memory."""
    pixels: list[float] = []

    def save(figure: Figure, *_: object, dpi: float, **__: object) -> None:
        pixels.extend(figure.get_size_inches() * dpi)

    monkeypatch.setattr(Figure, "savefig", save)
    draw_matrix(tmp_path / "confusion.png", *(f"label {i}" for i in range(400)))
    assert max(pixels) <= 10_000


def test_many_labels_show_the_most_confused_ones(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shown: list[Any] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: shown.append(figure.axes[0]))
    truth = np.arange(176)
    predicted = np.where(truth < 60, truth ^ 1, truth)
    confusion_matrix(truth, predicted, [f"label {i}" for i in truth], tmp_path / "confusion.png")
    (axes,) = shown
    assert axes.get_title() == (
        "held-out rows: the 49 of 176 labels with most confusion, grouped; the others count as one"
    )
    names = [each.get_text() for each in axes.get_yticklabels()]
    assert names[-1] == "127 other labels"
    assert {int(name.split()[1]) for name in names[:-1]} <= set(range(60))


def test_file_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="cannot write"):
        loss_curve([{"step": 1, "loss": 2.0}], tmp_path / "file" / "loss.png")


def test_reliability_diagram(tmp_path: Path) -> None:
    few = reliability(Answers.of(torch.tensor([[3.0, 0.0], [0.0, 0.0]]), torch.tensor([0, 1])))
    reliability_diagram(few, tmp_path / "reliability.png")
    width, height = size(tmp_path / "reliability.png")
    assert 300 < width < height < 2000
