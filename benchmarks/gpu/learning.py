"""How good a model becomes, and how soon."""

import json
import tempfile
import time
from pathlib import Path

import rnn_train
from rnn_infer.runtime.device import Device

from .setting import Part, Result, Setting


def quality(setting: Setting) -> Part:
    """`rnn-train charlm --minutes 0.5`, all defaults; the last 4 % of the text are never seen."""
    minutes = 0.05 if setting.rehearse else 0.5
    if setting.text is None:
        text = "".join(
            p.read_text("utf-8") for p in sorted(Path(json.__file__).parent.glob("*.py"))
        )
    else:
        text = setting.text.read_text("utf-8")
    cut = round(len(text) * 0.96)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "seen.txt").write_text(text[:cut], "utf-8")
        (home / "unseen.txt").write_text(text[cut:], "utf-8")
        request = rnn_train.CharLMRequest(data=(str(home / "seen.txt"),), minutes=minutes)
        started = time.monotonic()
        report = rnn_train.train_charlm(
            request, out=home / "model.onnx", run=home / "run", device=setting.device
        )
        seconds = time.monotonic() - started
        figures = rnn_train.evaluate(report.out, [str(home / "unseen.txt")], device="cpu")
        yield {"minutes": minutes, "seconds": seconds, **figures.as_json()}


def classifier(setting: Setting) -> Part:
    """Seconds of `rnn-train classifier` with all defaults, on the GPU and on the CPU."""
    found: Result = {}
    epochs = 0.1 if setting.rehearse else None
    devices: tuple[Device, ...] = ("cpu",) if setting.rehearse else ("cuda", "cpu")
    for device in devices:
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            request = rnn_train.ClassifierRequest(epochs=epochs)
            started = time.monotonic()
            report = rnn_train.train_classifier(
                request, out=home / "model.onnx", run=home / "run", device=device
            )
            seconds = time.monotonic() - started
        found[device] = {"seconds": seconds, "accuracy": report.metrics["accuracy"]}
        yield found
