"""A classifier whose cell is a user's own class."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import rnn_infer
from rnn_train import pipeline, training_session
from rnn_train.errors import CellError, ExportError
from rnn_train.training.loop import Trainer
from rnn_train.training_session import TrainingReport

Train = Callable[..., TrainingReport]


LEAKY = """
import torch
from torch import nn
from rnn_train import Cell

class Leaky(Cell):
    def __init__(self, input_size, width):
        super().__init__(input_size, {"fast": width, "slow": 2})
        self.mix = nn.Linear(input_size + width + 2, width)

    def forward(self, x, state):
        fast, slow = state
        new = torch.tanh(self.mix(torch.cat([x, fast, slow], -1)))
        return 0.5 * fast + 0.5 * new, 0.9 * slow + 0.1 * new[:, :2]
"""


def test_own_cell(train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is trained, resumed, exported and run like a built-in cell."""
    (tmp_path / "my_cells_here.py").write_text(LEAKY)
    monkeypatch.chdir(tmp_path)
    cell = "my_cells_here:Leaky"
    with monkeypatch.context() as patch:
        patch.setattr(training_session, "export", lambda *_, **__: {})
        shape = {"hidden": 12, "embedding": 8, "cell": cell}
        report = train(tmp_path / "run", epochs=4, model=shape)
    assert report.metrics["accuracy"] > 0.8
    again, third = tmp_path / "again.onnx", tmp_path / "third.onnx"
    pipeline.resume(tmp_path / "run", again, device="cpu", log=lambda _: None)
    pipeline.export(tmp_path / "run", third)
    assert again.read_bytes() == third.read_bytes()
    classifier = rnn_infer.Classifier.load(again, device="cpu")
    assert [each.label for each in classifier.classify(["abcabc", "xyzxyz"])] == ["a", "b"]
    assert len(classifier.trace("abc")) == 3

    monkeypatch.delitem(sys.modules, "my_cells_here")
    (tmp_path / "my_cells_here.py").unlink()
    with pytest.raises(CellError, match="my_cells_here cannot be imported"):
        pipeline.export(tmp_path / "run", tmp_path / "fourth.onnx")


BRANCHING = LEAKY.replace(
    "        return", "        if new.sum() > 0: new = new / 2\n        return"
)


def test_cell_that_cannot_be_exported_is_refused_before_training(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was found out after hours of training, when the file was to be written."""
    (tmp_path / "branching_cells.py").write_text(BRANCHING)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Trainer, "fit", lambda _: pytest.fail("it trains"))
    shape = {"hidden": 12, "embedding": 8, "cell": "branching_cells:Leaky"}
    with pytest.raises(ExportError, match="the cell cannot be traced") as caught:
        train(tmp_path / "run", epochs=4, model=shape)
    assert len(str(caught.value).splitlines()) == 1
