"""A dry run: what it says, and that it leaves nothing behind."""

from pathlib import Path

import pytest

from rnn_infer.tables.options import TableOptions
from rnn_train.errors import DataError, RunError
from rnn_train.preview import preview
from rnn_train.tasks.request import CharLMRequest, ClassifierRequest

MODEL = {"hidden": 8, "embedding": 4}


def listing(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


def test_classifier(table: Path, tmp_path: Path) -> None:
    content = table.read_text().replace("text,label", "name,origin") + ",east\n"
    table.write_text(content)
    before, said = listing(tmp_path), list[str]()
    request = ClassifierRequest(data=[str(table)], epochs=2, model=MODEL)
    preview(request, Path("new/model.onnx"), device="cpu", threads=1, log=said.append)
    assert listing(tmp_path) == before
    text = "\n".join(said)
    assert "a header, text: 'name', label: 'origin'" in said[0]
    assert "1 row has no text; they are left out" in text
    assert "rows: 80\nlabels: 2: 'east' 40, 'north' 40\n" in text
    assert "row 3: " in text
    assert "held out: 8 rows" in text
    assert "model: elman, 1×8, " in text
    assert "training: 2 epochs, each of 5 steps of 16" in text
    assert "time: about " in text
    assert said[-1].startswith("dry run: nothing was written")


def test_ensemble(table: Path) -> None:
    """The soft targets that a step needs are not there."""
    said: list[str] = []
    request = ClassifierRequest(data=[str(table)], epochs=2, model=MODEL, ensemble=2)
    preview(request, Path("model.onnx"), device="cpu", threads=1, log=said.append)
    lines = [each for each in said if each.startswith("training: ")]
    assert len(lines) == 1
    assert lines[0].startswith("training: 2 epochs of the student, after 2 teachers, each of ")


def test_charlm(story: Path, tmp_path: Path) -> None:
    before, said = listing(tmp_path), list[str]()
    preview(
        CharLMRequest(data=[str(story)], minutes=2, model=MODEL),
        Path("model.onnx"),
        device="cpu",
        log=said.append,
    )
    assert listing(tmp_path) == before
    text = "\n".join(said)
    assert "text: 4,000 characters, " in text
    assert 'line 1: "the fox sees a tree."' in text
    assert "model: lstm, " in text
    assert "training: 2 minutes, batches of " in text


def test_what_training_would_refuse(table: Path, tmp_path: Path) -> None:
    request = ClassifierRequest(data=[str(table)], table=TableOptions(text_column="gone"))
    with pytest.raises(DataError, match="no column 'gone'"):
        preview(request, Path("model.onnx"), device="cpu")
    for out in (tmp_path, Path("model.txt"), table / "x" / "model.onnx"):
        with pytest.raises(RunError, match=r"cannot write|ends in \.onnx"):
            preview(ClassifierRequest(data=[str(table)]), out, device="cpu")
