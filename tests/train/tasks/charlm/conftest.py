"""A run folder, and tasks of a tiny character model in it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rnn_train import pipeline
from rnn_train.tasks.charlm.task import CharLMTask
from rnn_train.tasks.plan import Settings
from rnn_train.tasks.request import CharLMRequest
from rnn_train.training.run import Run
from rnn_train.training_session import TrainingReport

TINY = {"hidden": 8, "embedding": 4}


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run.create("charlm", tmp_path / "run")
    yield run
    run.close()


@pytest.fixture
def create(run: Run) -> Callable[..., CharLMTask]:
    """`create(text, **fields)`: a task in the folder of `run`, for one epoch."""

    def of(data: Path, **fields: Any) -> CharLMTask:
        model = {} if "init_from" in fields else TINY
        options: dict[str, Any] = {"model": model, "epochs": 1.0, **fields}
        request = CharLMRequest(data=(str(data),), **options)
        return CharLMTask.create(run, request, Settings(device="cpu", out="x.onnx"))

    return of


@pytest.fixture
def learn() -> Callable[..., TrainingReport]:
    """`learn(text, folder, *teachers, **fields)`: trains a student for one epoch, and exports it
    beside its run folder."""

    def of(data: Path, folder: Path, *teachers: Path, **fields: Any) -> TrainingReport:
        options: dict[str, Any] = {"epochs": 1.0, **fields}
        log = options.pop("log", lambda _: None)
        request = CharLMRequest(
            data=(str(data),),
            model={"hidden": 16, "embedding": 4},
            training={"batch": 4, "window": 16},
            teachers=teachers,
            **options,
        )
        out = folder.parent / f"{folder.name}.onnx"
        return pipeline.train(request, out, folder=folder, device="cpu", threads=1, log=log)

    return of
