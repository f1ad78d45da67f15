"""A run folder, tasks of a tiny classifier in it, and whole runs on 150 rows."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnn_train import pipeline, training_session
from rnn_train.tasks.classifier.task import ClassifierTask
from rnn_train.tasks.plan import Settings
from rnn_train.tasks.request import ClassifierRequest
from rnn_train.training.run import Run
from rnn_train.training_session import TrainingReport

TINY = {"hidden": 8, "embedding": 4}
SMALL = {"hidden": 12, "embedding": 8}


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run.create("classifier", tmp_path / "run")
    yield run
    run.close()


@pytest.fixture
def create(run: Run) -> Callable[..., ClassifierTask]:
    """`create(table, **fields)`: a task in the folder of `run`, for one epoch."""

    def of(data: Path, **fields: Any) -> ClassifierTask:
        options: dict[str, Any] = {"model": TINY, "epochs": 1.0, **fields}
        request = ClassifierRequest(data=(str(data),), **options)
        return ClassifierTask.create(run, request, Settings(device="cpu", out="x.onnx"))

    return of


@pytest.fixture
def letters(tmp_path: Path) -> Path:
    """150 texts, those with letters up to "m" labelled "a"; and one text with both labels."""
    random = np.random.default_rng(0)
    lines = []
    for index in range(150):
        first = index % 3 > 0
        codes = random.integers(13, size=6) + (0 if first else 13)
        lines.append("".join(chr(97 + i) for i in codes) + (",a" if first else ",b"))
    path = tmp_path / "rows.csv"
    path.write_text("\n".join([*lines, "twice,a", "twice,b"]) + "\n")
    return path


@pytest.fixture
def train(letters: Path) -> Callable[..., TrainingReport]:
    """`train(folder, lines=None, **fields)`: a run on `letters`; `lines` collects what it logs."""

    def of(folder: Path, lines: list[str] | None = None, **fields: Any) -> TrainingReport:
        defaults: dict[str, Any] = {"val_fraction": 0.3, "epochs": 12, "model": SMALL}
        request = ClassifierRequest(data=(str(letters),), **(defaults | fields))
        log = (lambda _: None) if lines is None else lines.append
        out = folder.with_suffix(".onnx")
        return pipeline.train(request, out, folder=folder, device="cpu", log=log)

    return of


@pytest.fixture
def no_export(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that look at the run alone: an export takes seconds."""
    monkeypatch.setattr(training_session, "export", lambda *_, **__: {})
