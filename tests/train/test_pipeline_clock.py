"""The clock of the machine goes back: minutes, checkpoints and locks do not depend on it."""

import re
import time
from pathlib import Path

import pytest

import rnn_infer
import rnn_train
from rnn_train import pipeline
from rnn_train.tasks.request import CharLMRequest
from rnn_train.training import checkpoint


def test_minutes_do_not_depend_on_the_clock(story: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    asked: list[float] = []

    def backwards() -> float:
        asked.append(now - 3600 * len(asked))
        return asked[-1]

    monkeypatch.setattr(time, "time", backwards)
    request = CharLMRequest(
        data=(str(story),),
        minutes=0.01,
        model={"hidden": 8, "embedding": 4},
        training={"batch": 4, "window": 16, "validate_every": 0.0},
    )
    out, folder = Path("model.onnx"), Path("run")
    options = {"device": "cpu", "threads": 1, "log": lambda _: None}
    started = time.monotonic()
    report = pipeline.train(request, out, folder=folder, **options)  # type: ignore[arg-type]
    assert time.monotonic() - started < 60
    state, warnings = checkpoint.load_latest(folder / "checkpoints")
    assert (report.finished, warnings) == (True, [])
    assert state["elapsed"] > 0
    # A finished run has no step left, whatever the time is: the lock opens, the state is read.
    report = pipeline.resume(folder, log=lambda _: None)
    again, _ = checkpoint.load_latest(folder / "checkpoints")
    assert (report.finished, again["step"]) == (True, state["step"])


@pytest.mark.parametrize("package", [rnn_infer, rnn_train])
def test_no_module_reads_the_clock(package: object) -> None:
    folder = Path(str(vars(package)["__file__"])).parent
    sources = [path for path in folder.rglob("*.py") if path.is_file()]
    assert len(sources) > 50
    clock = re.compile(r"\btime\.time\(|\btime\.time_ns\(|\.(now|utcnow|today)\(|from time import")
    assert [path.name for path in sources if clock.search(path.read_text("utf-8"))] == []
