"""Operations of `rnn_train` to disturb, with tiny models and data."""

import atexit
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch

import rnn_infer
from rnn_train import api
from rnn_train.cli.commands import main
from rnn_train.data.corpus import build_corpus
from rnn_train.data.sources import find_texts
from rnn_train.errors import RnnTrainError
from rnn_train.system_errors import system_errors
from rnn_train.tasks.request import CharLMRequest, ClassifierRequest
from rnn_train.training import checkpoint
from rnn_train.training.interrupt import terminable
from rnn_train.training.metrics_log import MetricsLog
from rnn_train.training.run import Run

from .operation import Answer, Operation, called, commanded
from .printing import Printing

_TRAINING = {"batch": 4, "window": 16}
_CHARLM = {"hidden": 12, "embedding": 6}
_CLASSIFIER = {"hidden": 8, "embedding": 4, "pool": False}
_RUN = ["run/*", "model.onnx"]
_SLOW = 6.0


def _texts(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    story = "the fox sees a tree\na bird hears rain\n" * 40
    (folder / "texts").mkdir()
    (folder / "texts" / "story.txt").write_text(story, "utf-8")
    rows = [
        f"{'abcdefgh'[i % 8]}{'klmnop'[i % 6]}{('ka', 'son')[i % 2]},{i % 2}" for i in range(80)
    ]
    (folder / "names.csv").write_text("\n".join(["text,label", *rows]) + "\n", "utf-8")


def _tables(folder: Path) -> None:
    _texts(folder)
    (folder / "classifier").touch()


def _train(folder: Path, kind: str = "charlm") -> Any:
    options: dict[str, Any] = {
        "out": folder / "model.onnx",
        "run": folder / "run",
        "device": "cpu",
        "threads": 1,
        "log": lambda _: None,
    }
    if kind == "charlm":
        request = CharLMRequest(
            data=(str(folder / "texts"),), epochs=1.0, model=_CHARLM, training=_TRAINING
        )
        return api.train_charlm(request, **options)
    table = ClassifierRequest(
        data=(str(folder / "names.csv"),), epochs=1.0, model=_CLASSIFIER, training={"batch": 8}
    )
    return api.train_classifier(table, **options)


@cache
def _trained(kind: str) -> Path:
    """Trains a model once; the folder is kept until the process ends."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _texts(folder)
    _train(folder, kind)
    return folder


def _with_run(kind: str) -> Callable[[Path], None]:
    def prepare(folder: Path) -> None:
        shutil.copytree(_trained(kind), folder)
        (folder / "old.onnx").write_bytes(b"the old file")

    return prepare


def _old_or_new(folder: Path) -> str | None:
    """After a file was replaced, an error can still come: the output does not say so any more."""
    data = (folder / "old.onnx").read_bytes()
    if data == b"the old file":
        return None
    rnn_infer.load(folder / "old.onnx", device="cpu")
    return None


def _own(function: Callable[[], Any]) -> Answer:
    """Calls a function as the public ones do, which report errors of the system."""

    def work() -> Any:
        with system_errors(), terminable():
            return function()

    return called(work, (RnnTrainError,))


def _checkpoints(folder: Path) -> Answer:
    def work() -> str:
        checkpoint.save(folder, 5, {"weights": torch.arange(1000.0)})
        state, _ = checkpoint.load_latest(folder)
        return f"{float(state['weights'].sum())}"

    return _own(work)


def _four_checkpoints(folder: Path) -> None:
    folder.mkdir()
    for step in range(1, 5):
        checkpoint.save(folder, step, {"weights": torch.arange(1000.0)})


def _newest_checkpoint(folder: Path) -> str | None:
    state, warnings = checkpoint.load_latest(folder)
    whole = float(state["weights"].sum()) == 499500.0
    return None if whole and not warnings else f"the newest checkpoint is damaged: {warnings}"


def _metrics(folder: Path) -> Answer:
    def work() -> str:
        log = MetricsLog(folder / "metrics.jsonl")
        log.append({"step": 2, "loss": 1.0})
        log.cut(2)
        return str([row["step"] for row in log.rows()][-1])

    return _own(work)


def _one_metric(folder: Path) -> None:
    folder.mkdir()
    MetricsLog(folder / "metrics.jsonl").append({"step": 1, "loss": 2.0})


def _first_metric(folder: Path) -> str | None:
    steps = [row["step"] for row in MetricsLog(folder / "metrics.jsonl").rows()]
    return None if steps[:1] == [1] else f"the metrics have the steps {steps}"


def _new_run(folder: Path) -> Answer:
    def work() -> str:
        run = Run.create("charlm", folder / "new")
        try:
            run.write_config({"command": "charlm"})
            return str(run.config())
        finally:
            run.close()

    return _own(work)


def _new_run_again(folder: Path) -> Answer:
    shutil.rmtree(folder / "new", ignore_errors=True)
    return _new_run(folder)


def _whole_config(folder: Path) -> str | None:
    path = folder / "new" / "config.json"
    return "half a config.json" if path.exists() and "charlm" not in path.read_text() else None


def _corpus(folder: Path) -> Answer:
    def work() -> int:
        corpus = build_corpus(find_texts([str(folder / "texts")]), folder / "corpus.bin")
        return int(corpus.tokens.sum())

    return _own(work)


def _start(kind: str) -> Callable[[Path], Answer]:
    def run(folder: Path) -> Answer:
        return _own(lambda: sorted(_train(folder, kind).metrics.items()))

    return run


def _on(folder: Path) -> Answer:
    """What a user does when a start failed: go on with the run, or begin it again."""
    if (folder / "run" / "config.json").exists():
        return _resume(folder)
    return _own(lambda: sorted(_train(folder, _kind(folder)).metrics.items()))


def _kind(folder: Path) -> str:
    return "classifier" if (folder / "classifier").exists() else "charlm"


def _resume(folder: Path) -> Answer:
    def work() -> Any:
        report = api.resume(folder / "run", out=folder / "model.onnx", log=lambda _: None)
        return sorted(report.metrics.items())

    return _own(work)


def _unfinished(folder: Path) -> None:
    """A run of which the last checkpoint is gone, as after a crash."""
    shutil.copytree(_trained("charlm"), folder)
    (folder / "model.onnx").unlink()
    newest, *_ = sorted((folder / "run" / "checkpoints").glob("*.ckpt"), reverse=True)
    newest.unlink()


def _command(*arguments: str) -> Callable[[Path], Answer]:
    def run(folder: Path) -> Answer:
        return commanded(main, [each.format(folder) for each in arguments])

    return run


OPERATIONS = (
    Operation(
        "write and read a checkpoint",
        _checkpoints,
        _four_checkpoints,
        may_change=["step-*.ckpt"],
        check=_newest_checkpoint,
    ),
    Operation(
        "metrics of a run: add, cut, read",
        _metrics,
        _one_metric,
        may_change=["metrics.jsonl"],
        check=_first_metric,
    ),
    Operation(
        "make a run folder",
        _new_run,
        lambda folder: folder.mkdir(),
        may_change=["new/.lock", "new/config.json"],
        again=_new_run_again,
        check=_whole_config,
    ),
    Operation("encode texts", _corpus, _texts, may_change=["corpus.bin"]),
    Operation(
        "rnn-train export RUN --out FILE",
        _command("export", "{0}/run", "--out", "{0}/old.onnx"),
        _with_run("charlm"),
        may_change=["run/.lock", "out.txt", "old.onnx"],
        check=_old_or_new,
        out="out.txt",
        replaces="old.onnx",
        depth=_SLOW,
    ),
    Operation(
        "rnn-train export FILE --out FILE",
        _command("export", "{0}/model.onnx", "--out", "{0}/old.onnx"),
        _with_run("classifier"),
        may_change=["out.txt", "old.onnx"],
        check=_old_or_new,
        out="out.txt",
        replaces="old.onnx",
        depth=_SLOW,
    ),
    Operation(
        "rnn-train evaluate FILE --plots FOLDER",
        _command(
            *("evaluate", "{0}/model.onnx", "--data", "{0}/names.csv"), "--plots", "{0}/figures"
        ),
        _with_run("classifier"),
        may_change=["figures/confusion.png", "figures/reliability.png", "out.txt"],
        out="out.txt",
        depth=_SLOW,
    ),
    Operation("train a character model", _start("charlm"), _texts, _RUN, again=_on, depth=_SLOW),
    Operation("train a classifier", _start("classifier"), _tables, _RUN, again=_on, depth=_SLOW),
    Operation("resume a run", _resume, _unfinished, _RUN, depth=_SLOW),
)

_TINY = ("--hidden", "8", "--embedding", "4", "--window", "16", "--epochs", "1")
PRINTING = (
    Printing(
        "rnn-train evaluate: standard output",
        main,
        ("evaluate", "{0}/model.onnx", "--data", "{0}/names.csv"),
        _with_run("classifier"),
    ),
    Printing(
        "rnn-train export RUN --out FILE: standard output",
        main,
        ("export", "{0}/run", "--out", "{0}/old.onnx"),
        _with_run("charlm"),
        writes="old.onnx",
    ),
    Printing(
        "rnn-train charlm: standard output",
        main,
        ("charlm", "--data", "{0}/texts", "--out", "{0}/m.onnx", "--run", "{0}/run", *_TINY),
        _texts,
        writes="m.onnx",
    ),
)
