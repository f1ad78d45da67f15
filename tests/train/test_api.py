"""The public functions: they take text or paths, have defaults, and return what they promise."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

import rnn_infer
import rnn_train
from rnn_train import api, evaluator, pipeline
from rnn_train.training_session import TrainingReport

PATHS: list[Callable[[str], str | Path]] = [str, Path]


@pytest.fixture
def passed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What the public functions pass on; nothing is trained."""
    calls: list[tuple[Any, ...]] = []

    def keep(name: str) -> Callable[..., None]:
        return lambda *arguments, **options: calls.append((name, arguments, options))

    for name in ("train", "resume", "export"):
        monkeypatch.setattr(pipeline, name, keep(name))
    monkeypatch.setattr(evaluator, "evaluate", keep("evaluate"))
    return calls


# --- what is passed on ----------------------------------------------------------------


def test_defaults_of_training(passed: list[tuple[Any, ...]]) -> None:
    rnn_train.train_charlm()
    rnn_train.train_classifier()
    options = {"folder": None, "device": "auto", "threads": None, "log": print}
    charlm = (rnn_train.CharLMRequest(), Path("exported/charlm.onnx"))
    classifier = (rnn_train.ClassifierRequest(), Path("exported/classifier.onnx"))
    assert passed == [("train", charlm, options), ("train", classifier, options)]


@pytest.mark.parametrize("kind", ["charlm", "classifier"])
@pytest.mark.parametrize("path", PATHS)
def test_options_of_training(
    passed: list[tuple[Any, ...]], kind: str, path: Callable[[str], str | Path]
) -> None:
    log = list[str]().append
    options: dict[str, Any] = {"device": "cpu", "threads": 2, "log": log}
    request: Any
    if kind == "charlm":
        request = rnn_train.CharLMRequest(data=("a.txt",))
        rnn_train.train_charlm(request, out=path("x.onnx"), run=path("run"), **options)
    else:
        request = rnn_train.ClassifierRequest(data=("a.csv",))
        rnn_train.train_classifier(request, out=path("x.onnx"), run=path("run"), **options)
    assert passed == [("train", (request, Path("x.onnx")), {"folder": Path("run"), **options})]


@pytest.mark.parametrize("path", PATHS)
def test_resume_passes_on(passed: list[tuple[Any, ...]], path: Callable[[str], str | Path]) -> None:
    rnn_train.resume(path("run"))
    rnn_train.resume(path("run"), out=path("x.onnx"), device="cpu", threads=2)
    rnn_train.resume(path("run"), minutes=2.5)
    rest = {"minutes": None, "epochs": None, "log": print}
    kept = {"device": None, "threads": None, **rest}
    changed = {"device": "cpu", "threads": 2, **rest}
    assert passed == [
        ("resume", (Path("run"), None), kept),
        ("resume", (Path("run"), Path("x.onnx")), changed),
        ("resume", (Path("run"), None), kept | {"minutes": 2.5}),
    ]


@pytest.mark.parametrize("path", PATHS)
def test_export_passes_on(passed: list[tuple[Any, ...]], path: Callable[[str], str | Path]) -> None:
    options = rnn_train.ExportOptions(weights="int8")
    rnn_train.export(path("run"), path("x.onnx"))
    rnn_train.export(path("run"), path("x.onnx"), options)
    paths = (Path("run"), Path("x.onnx"))
    log = {"log": print}
    assert passed == [("export", (*paths, None), log), ("export", (*paths, options), log)]


@pytest.mark.parametrize("path", PATHS)
def test_evaluate_passes_on(
    passed: list[tuple[Any, ...]], path: Callable[[str], str | Path]
) -> None:
    rnn_train.evaluate(path("run"), ["a.txt"])
    rnn_train.evaluate(path("run"), ["a.txt"], dynamic=True, device="cpu")
    more = {"log": print, "coverage": None, "prior": 0.0, "table": None, "unknown": "default"}
    default = {"dynamic": False, "device": "auto", **more}
    changed = {"dynamic": True, "device": "cpu", **more}
    arguments = (Path("run"), ["a.txt"])
    assert passed == [("evaluate", arguments, default), ("evaluate", arguments, changed)]


# --- what comes back ------------------------------------------------------------------


def test_from_training_to_evaluation(story: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    request = rnn_train.CharLMRequest(
        data=(str(story),), epochs=0.2, model={"hidden": 8, "embedding": 4}
    )
    out = str(tmp_path / "x.onnx")
    report = rnn_train.train_charlm(
        request, out=out, run=str(tmp_path / "run"), device="cpu", threads=1, log=lines.append
    )
    assert isinstance(report, rnn_train.TrainingReport)
    assert (report.run, report.out) == (tmp_path / "run", tmp_path / "x.onnx")
    assert len(rnn_infer.CharLM.load(out).generate("the", length=5)) == 5
    assert any("wrote" in line for line in lines)
    figures = rnn_train.evaluate(out, [str(story)], device="cpu")
    assert isinstance(figures, rnn_train.CharLMFigures)
    assert figures.as_json()["characters"] == 3999


def test_resume_and_export_of_a_run(
    finished_classifier: TrainingReport, table: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(finished_classifier.run, tmp_path / "copy")
    report = rnn_train.resume(str(folder), out="again.onnx", log=lambda _: None)
    assert isinstance(report, rnn_train.TrainingReport)
    assert report.out.read_bytes() == finished_classifier.out.read_bytes()
    proof = rnn_train.export(str(folder), "other.onnx", log=lambda _: None)
    assert all(isinstance(value, float) for value in proof.values())
    assert Path("other.onnx").read_bytes() == report.out.read_bytes()
    figures = rnn_train.evaluate(report.out, [str(table)])
    assert isinstance(figures, rnn_train.ClassifierFigures)


def test_errors_are_public(tmp_path: Path) -> None:
    request = rnn_train.CharLMRequest(data=("gone.txt",))
    with pytest.raises(rnn_train.DataError, match=r"gone\.txt"):
        rnn_train.train_charlm(request, run=tmp_path / "run", device="cpu")
    with pytest.raises(rnn_train.RunError, match="no run folder"):
        api.resume(tmp_path / "nothing")


# --- what is refused ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rnn_train.train_charlm(cast(Any, {})), "must be a CharLMRequest, got {}"),
        (
            lambda: rnn_train.train_charlm(cast(Any, rnn_train.ClassifierRequest())),
            "must be a CharLMRequest, got ClassifierRequest",
        ),
        (
            lambda: rnn_train.train_classifier(cast(Any, rnn_train.CharLMRequest())),
            "must be a ClassifierRequest",
        ),
        (lambda: rnn_train.train_charlm(out=cast(Any, 5)), "out must be a str or a Path, got 5"),
        (lambda: rnn_train.train_charlm(run=cast(Any, 5)), "run must be a str or a Path"),
        (lambda: rnn_train.resume(cast(Any, 5)), "run must be a str or a Path"),
        (lambda: rnn_train.export(cast(Any, 5), "x"), "run must be a str or a Path"),
        (lambda: rnn_train.evaluate(cast(Any, 5), ["x"]), "target must be a str or a Path"),
        (lambda: rnn_train.evaluate("x", cast(Any, 5)), "data must be a source or a list"),
        (lambda: rnn_train.evaluate("x", []), r"data must be a source or a list .*\[\]"),
        (lambda: rnn_train.evaluate("x", cast(Any, [5])), "a source of data must be a str"),
    ],
)
def test_wrong_types(passed: list[Any], call: Callable[[], Any], message: str) -> None:
    with pytest.raises(rnn_train.RunError, match=message):
        call()
    assert passed == []


def test_wrong_options_of_an_export(passed: list[Any]) -> None:
    with pytest.raises(rnn_train.ExportError, match="options must be ExportOptions, got 3"):
        rnn_train.export("run", "x.onnx", cast(Any, 3))
    for fields, message in (
        ({"steps": "3"}, "steps must be a number, got '3'"),
        ({"steps": 0}, "steps must be a finite number above 0"),
        ({"temperature": "hot"}, "temperature must be a number"),
    ):
        with pytest.raises(rnn_train.ExportError, match=message):
            rnn_train.ExportOptions(**cast(Any, fields))
    assert passed == []
