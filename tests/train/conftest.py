"""Shared by all training tests: small data, one finished run of each kind, and no network."""

import itertools
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from rnn_infer.runtime import device
from rnn_train import pipeline
from rnn_train.errors import ExportError
from rnn_train.exporting.model_file import ModelCard, export
from rnn_train.models.charlm import CharLSTM
from rnn_train.models.classifier import RecurrentClassifier
from rnn_train.progress import Log
from rnn_train.tasks.request import CharLMRequest, ClassifierRequest
from rnn_train.training.loop import Trainer
from rnn_train.training_session import TrainingReport

SUBJECTS = ("the fox", "a bird", "my dog", "one cat", "the old owl")
VERBS = ("sees", "hears", "meets", "likes")
OBJECTS = ("a tree.", "the moon.", "some rain.", "two stones.")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives each test its own folder, cache and random numbers, no network and no GPU: results are
    exact on the CPU only."""

    connect = socket.socket.connect

    def refuse(own: socket.socket, address: Any) -> None:
        if own.family != socket.AF_UNIX:  # multiprocessing uses these
            raise AssertionError("a test reached for the network")
        connect(own, address)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ".cache"))
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(device, "cuda_problem", lambda: "hidden by the tests")
    monkeypatch.setattr(device, "offers_cuda", lambda: False)
    torch.manual_seed(0)


def _story(size: int) -> str:
    sentences = itertools.cycle(
        f"{subject} {verb} {thing}\n"
        for subject, verb, thing in itertools.product(SUBJECTS, VERBS, OBJECTS)
    )
    text = ""
    while len(text) < size:
        text += next(sentences)
    return text[:size]


def _table(rows: int) -> str:
    """Names that end in "ka" or in "son": easy to tell apart."""
    syllables = ("ba", "do", "ri", "mu", "le", "sa", "to", "ni")
    stems = itertools.product(syllables, syllables, syllables)
    lines = [
        f"{''.join(stem)}{('ka', 'son')[i % 2]},{('east', 'north')[i % 2]}"
        for i, stem in enumerate(itertools.islice(stems, rows))
    ]
    return "\n".join(["text,label", *lines]) + "\n"


@pytest.fixture
def story(tmp_path: Path) -> Path:
    """About 4 kB of text that repeats itself."""
    path = tmp_path / "story.txt"
    path.write_text(_story(4000), "utf-8")
    return path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """80 labelled names."""
    path = tmp_path / "names.csv"
    path.write_text(_table(80), "utf-8")
    return path


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> TrainingReport:
    """A charlm run, trained and exported. Read only: copy its folder to change it."""
    folder = tmp_path_factory.mktemp("charlm")
    data = folder / "story.txt"
    data.write_text(_story(4000), "utf-8")
    return _train(CharLMRequest, folder, data, {"hidden": 12, "embedding": 6})


@pytest.fixture(scope="session")
def finished_classifier(tmp_path_factory: pytest.TempPathFactory) -> TrainingReport:
    """A classifier run, trained and exported. Read only, too."""
    folder = tmp_path_factory.mktemp("classifier")
    data = folder / "names.csv"
    data.write_text(_table(80), "utf-8")
    return _train(ClassifierRequest, folder, data, {"hidden": 8, "embedding": 4, "pool": False})


@pytest.fixture(scope="session")
def second_teacher(finished: TrainingReport, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of another model of the same text: it can teach beside the one of `finished`."""
    folder = tmp_path_factory.mktemp("second")
    data = finished.run.parent / "story.txt"
    return _train(CharLMRequest, folder, data, {"hidden": 16, "embedding": 4}, seed=1).out


@pytest.fixture(scope="session")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> TrainingReport:
    """A charlm run of a text with another vocabulary."""
    folder = tmp_path_factory.mktemp("foreign")
    data = folder / "abc.txt"
    data.write_text("abc\n" * 500, "utf-8")
    return _train(CharLMRequest, folder, data, {"hidden": 8, "embedding": 4}, out="foreign.onnx")


def _train(
    kind: type[CharLMRequest | ClassifierRequest],
    folder: Path,
    data: Path,
    model: dict[str, Any],
    seed: int = 0,
    out: str = "model.onnx",
) -> TrainingReport:
    training = {"batch": 4, "window": 16}
    request = kind(data=(str(data),), epochs=1.0, model=model, training=training, seed=seed)
    return pipeline.train(
        request,
        folder / out,
        folder=folder / "run",
        device="cpu",
        threads=1,
        log=lambda _: None,
    )


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Callable[..., TrainingReport]:
    """`start(kind, data, name, log, **fields)`: trains a tiny model for one epoch into the folder
    `name`, and exports it to `<name>.onnx`."""
    monkeypatch.setattr("rnn_train.tasks.charlm.objective.SAMPLE_LENGTH", 4)
    kinds = {each.kind: each for each in (CharLMRequest, ClassifierRequest)}

    def of(
        kind: str, data: Path, name: str = "run", log: Log = lambda _: None, **fields: Any
    ) -> TrainingReport:
        options: dict[str, Any] = {
            "epochs": 1.0,
            "model": {"hidden": 8, "embedding": 4},
            "training": {"batch": 16, "window": 32, "validate_every": 0.0},
            **fields,
        }
        request = kinds[kind](data=(str(data),), **options)
        out, folder = Path(f"{name}.onnx"), Path(name)
        return pipeline.train(request, out, folder=folder, device="cpu", threads=1, log=log)

    return of


class Killed(BaseException):
    """Simulates a kill: no code may catch it."""


@pytest.fixture
def interrupt(
    start: Callable[..., TrainingReport], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[str]]:
    """`interrupt(kind, data, step, killed, **fields)`: a run in the folder `run` that ends at a
    step, by a kill or by Ctrl-C; returns what it logged."""

    def of(kind: str, data: Path, step: int, killed: bool, **fields: Any) -> list[str]:
        plain, lines = Trainer.take_step, list[str]()

        def take_step(own: Trainer, rate: float) -> None:
            if own.step == step:
                if killed:
                    raise Killed
                signal.raise_signal(signal.SIGINT)
            plain(own, rate)

        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "take_step", take_step)
            if killed:
                with pytest.raises(Killed):
                    start(kind, data, log=lines.append, **fields)
            else:
                assert not start(kind, data, log=lines.append, **fields).finished
        assert Path("run.onnx").exists() is not killed
        return lines

    return of


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Where to export to, alone in its folder."""
    folder = tmp_path / "out"
    folder.mkdir()
    return folder / "model.onnx"


@pytest.fixture
def refused(out: Path) -> Callable[[CharLSTM | RecurrentClassifier, ModelCard, str], None]:
    """`refused(model, card, message)`: export fails, and what stood there before still does."""

    def check(model: CharLSTM | RecurrentClassifier, card: ModelCard, message: str) -> None:
        out.write_bytes(b"an older model")
        with pytest.raises(ExportError, match=message) as raised:
            export(model, card, out)
        assert out.read_bytes() == b"an older model"
        assert [each.name for each in out.parent.iterdir()] == [out.name]
        assert "\n" not in str(raised.value)
        assert "\x1b" not in str(raised.value), "the message is coloured for a terminal"

    return check
