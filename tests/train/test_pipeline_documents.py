"""Documents from training to new items."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rnn_infer
from rnn_train import pipeline
from rnn_train.errors import DataError, EvaluationError
from rnn_train.evaluator import evaluate
from rnn_train.tasks.request import CharLMRequest
from rnn_train.training_session import TrainingReport

NAMES = [a + b + c for a in "KLMNPRST" for b in "aeiou" for c in ("ra", "ton", "fik", "bu", "na")]


def train(folder: Path, data: Path, epochs: float, **fields: Any) -> TrainingReport:
    request = CharLMRequest(
        data=(str(data),),
        epochs=epochs,
        model={"hidden": 24, "embedding": 8},
        training={"batch": 32, "learning_rate": 0.02, "muon": 2.0},
        **fields,
    )
    out = folder / "model.onnx"
    return pipeline.train(
        request, out, folder=folder / "run", device="cpu", threads=1, log=lambda _: None
    )


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainingReport, Path]:
    folder = tmp_path_factory.mktemp("names")
    (folder / "names.txt").write_text("\n".join(NAMES))
    return train(folder, folder / "names.txt", 40.0, documents="line"), folder / "names.txt"


def test_model_of_names(names: tuple[TrainingReport, Path]) -> None:
    report, _ = names
    assert report.metrics["held_out_pieces"] >= 10, "documents are held out"
    lm = rnn_infer.CharLM.load(report.out)
    assert lm.metadata.charlm is not None
    assert (lm.metadata.charlm.start, lm.metadata.charlm.end) == ("\n", "\n")
    items = [each.text for each in lm.new_items(30, seed=1)]
    assert len(set(items) & set(NAMES)) > 15, "it has learnt where a name begins and ends"
    new = [each.text for each in lm.new_items(10, exclude=NAMES, seed=1, temperature=1.5)]
    assert len(new) == 10
    assert not set(new) & set(NAMES)
    assert all("\n" not in each for each in new)


def test_run_and_file_have_the_same_figures(names: tuple[TrainingReport, Path]) -> None:
    report, text = names
    of_run, of_file = (
        evaluate(each, [str(text)], device="cpu", log=print) for each in (report.run, report.out)
    )
    nats = of_file.as_json()["protocols"]["documents"]["nats_per_char"]
    assert list(of_file.as_json()["protocols"]) == ["documents"]
    assert of_run.as_json()["protocols"]["documents"]["nats_per_char"] == pytest.approx(
        nats, abs=1e-4
    )
    score = rnn_infer.CharLM.load(report.out).score(text.read_text() + "\n")
    assert score.nats_per_char == pytest.approx(nats, abs=1e-4)
    assert score.nats_per_char < 1.5
    with pytest.raises(EvaluationError, match="not documents; drop --dynamic"):
        evaluate(report.run, [str(text)], dynamic=True, device="cpu", log=print)


def test_files_are_documents(tmp_path: Path) -> None:
    folder = tmp_path / "poems"
    folder.mkdir()
    text = "abcdefg\nhijklm\nopqrst\nuvw{}yz"
    for index in range(50):
        (folder / f"{index}.txt").write_text(text.format(index % 3))
    report = train(tmp_path, folder, 300.0, documents="file")
    lm = rnn_infer.CharLM.load(report.out)
    (made,) = lm.complete([""], temperature=0, length=200)
    assert made.stopped == "\x03"
    assert made.text in [text.format(index) for index in range(3)]
    figures = evaluate(report.out, [str(folder)], device="cpu", log=print).as_json()
    assert figures["protocols"]["documents"]["nats_per_char"] < 0.5


@pytest.mark.parametrize("step", [30, 140])
def test_resumed_run_ends_the_same(
    start: Callable[..., TrainingReport],
    interrupt: Callable[..., list[str]],
    tmp_path: Path,
    step: int,
) -> None:
    (tmp_path / "names.txt").write_text("\n".join(NAMES * 2))
    own: dict[str, Any] = {"documents": "line", "epochs": 10.0, "training": {"batch": 16}}
    whole = start("charlm", tmp_path / "names.txt", "whole", **own)
    interrupt("charlm", tmp_path / "names.txt", step, killed=False, **own)
    resumed = pipeline.resume(Path("run"), log=lambda _: None)
    assert resumed.out.read_bytes() == whole.out.read_bytes()


@pytest.mark.parametrize(("given", "step"), [(False, 9), (True, 44)])
def test_resumed_distillation_ends_the_same(
    start: Callable[..., TrainingReport],
    interrupt: Callable[..., list[str]],
    names: tuple[TrainingReport, Path],
    given: bool,
    step: int,
) -> None:
    """Interrupted in a network of the ensemble, or in the last phase of a student."""
    teacher, text = names
    own: dict[str, Any] = {"documents": "line", "epochs": 4.0, "training": {"batch": 16}}
    own |= {"teachers": (teacher.out,)} if given else {"ensemble": 1}
    whole = start("charlm", text, "whole", **own)
    interrupt("charlm", text, step, killed=True, **own)
    resumed = pipeline.resume(Path("run"), log=lambda _: None)
    assert resumed.out.read_bytes() == whole.out.read_bytes()
    assert rnn_infer.CharLM.load(resumed.out).metadata.training["teachers"] == 1


def test_teacher_of_documents(names: tuple[TrainingReport, Path], tmp_path: Path) -> None:
    """A student of a few epochs writes the names that its teacher knows."""
    teacher, text = names
    student = train(tmp_path, text, 12.0, documents="line", teachers=(teacher.out,))
    items = [each.text for each in rnn_infer.CharLM.load(student.out).new_items(30, seed=1)]
    assert len(set(items) & set(NAMES)) > 10
    with pytest.raises(DataError, match="on documents; give --documents line here too"):
        train(tmp_path / "stream", text, 1.0, teachers=(teacher.out,))
