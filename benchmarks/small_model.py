"""Makes the small character model of `exported/` from a text and a teacher, and scores it.

    python -m benchmarks.small_model train.txt

The text is yours: for the shipped file it was the first nine tenths of tiny Shakespeare. The
teacher, `exported/charlm.int8.onnx`, writes more text. The student learns the soft targets of the
teacher for the written text and for the real one, without the last fiftieth, which is held out.

Work stays in `--runs`: the same command goes on where it was interrupted, and finished work is only
scored. Written to results/small_model.json: hash of the text, hours of CPU, sizes and losses.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

import rnn_train
from rnn_infer import CharLM, RnnInferError
from rnn_train.errors import RnnTrainError, RunError
from rnn_train.evaluation.figures import CharLMFigures
from rnn_train.files import sha256, write_bytes

from .harness import RESULTS, machine

EXPORTED = Path(__file__).parents[1] / "exported"
TEACHER = EXPORTED / "charlm.int8.onnx"
MODEL: dict[str, Any] = {
    "layers": 1,
    "hidden": 448,
    "embedding": 64,
    "skip": True,
    **dict.fromkeys(("dropout_input", "dropout_layer", "dropout_output", "weight_drop"), 0.0),
}
TRAINING: dict[str, Any] = {
    "batch": 32,
    "window": 128,
    "muon": 0.4,
    "weight_decay": 0.05,
    "learning_rate": 2.5e-2,
    "validate_every": 300.0,
}
HELD_OUT = 50
"""One character in so many is held out, at the end of the text."""
COPIES = 2
"""How often the real text stands beside the written one."""
WRITING_SEED = 1000


@dataclass(frozen=True, kw_only=True)
class Amounts:
    """How much is written and learnt."""

    streams: int = 80
    """Streams that the teacher writes."""
    characters: int = 50_000
    """Characters of each stream."""
    epochs: float = 2.0


class Ledger:
    """What is finished, and how much CPU time all of it took. It is kept in a file."""

    def __init__(self, path: Path) -> None:
        """Reads the file, if there is one."""
        self._path = path
        kept = json.loads(path.read_text("utf-8")) if path.exists() else {}
        self.finished: list[str] = kept.get("finished", [])
        self.seconds: dict[str, float] = kept.get("cpu_seconds", {})
        self._source: dict[str, Any] | None = kept.get("source")

    def check(self, source: dict[str, Any]) -> None:
        """Checks that the finished work is of the same source as this one.

        Args:
            source: facts by name: what the work depends on.

        Raises:
            RunError: it is not.
        """
        kept = self._source or source
        if other := [name for name, value in source.items() if kept.get(name) != value]:
            raise RunError(
                f"{self._path.parent} has work of another {', '.join(other)}; give another folder "
                "with --runs"
            )
        self._source = source

    @contextmanager
    def work(self, name: str) -> Iterator[None]:
        """Counts the CPU time of a block. If it raises, its work is not finished."""
        began = time.process_time()
        try:
            yield
            self.finished.append(name)
        finally:
            spent = time.process_time() - began
            self.seconds[name] = round(self.seconds.get(name, 0.0) + spent, 1)
            content = {
                "source": self._source,
                "finished": self.finished,
                "cpu_seconds": self.seconds,
            }
            write_bytes(self._path, (json.dumps(content, indent=1) + "\n").encode())


@dataclass(frozen=True)
class Maker:
    """A student in the making."""

    text: Path
    runs: Path
    """Folder of the texts, runs and files."""
    teacher: Path = TEACHER
    amounts: Amounts = field(default_factory=Amounts)
    model: dict[str, Any] = field(default_factory=lambda: MODEL)

    def make(self) -> dict[str, Any]:
        """Does what is not done yet, and returns the result.

        Raises:
            RunError: the folder has work of another text, teacher, model or amount.
        """
        self.runs.mkdir(parents=True, exist_ok=True)
        self.ledger.check(self._source)
        real = self.text.read_text("utf-8")
        cut = len(real) - len(real) // HELD_OUT
        held_out = self._file("held-out.txt", lambda: real[cut:])
        request = rnn_train.CharLMRequest(
            data=(str(self._lesson(real[:cut])),),
            val_data=str(held_out),
            teachers=(self.teacher,),
            epochs=self.amounts.epochs,
            seed=1,
            model=self.model,
            training=TRAINING,
        )
        self._learn(request)
        options = rnn_train.ExportOptions(weights="int8")
        rnn_train.export(self.runs / "first", self.runs / "first.int8.onnx", options)
        return self._result(held_out, len(real))

    @cached_property
    def ledger(self) -> Ledger:
        """What is done already."""
        return Ledger(self.runs / "done.json")

    @property
    def _source(self) -> dict[str, Any]:
        """What the work depends on."""
        return {
            "text": sha256(self.text),
            "teacher": sha256(self.teacher),
            "amounts": asdict(self.amounts),
            "model": self.model,
            "training": TRAINING,
        }

    def _written(self) -> str:
        """Text that the teacher draws, one stream after the other."""
        lm = CharLM.load(self.teacher, device="cpu")
        size, prompts = self.amounts.characters, [""] * self.amounts.streams
        return "\n".join(lm.generate(prompts, length=size, seed=WRITING_SEED, temperature=1.0))

    def _lesson(self, real: str) -> Path:
        """The text to learn: the written text, and the real one several times."""
        written = self._file("written-1.txt", self._written).read_text("utf-8")
        return self._file("first.txt", lambda: written + "\n" + real * COPIES)

    def _file(self, name: str, content: Callable[[], str]) -> Path:
        """A text file of the folder. It is written if it is not there."""
        path = self.runs / name
        if not path.exists():
            with self.ledger.work(name):
                write_bytes(path, content().encode())
        return path

    def _learn(self, request: rnn_train.CharLMRequest) -> None:
        """Trains the run to its end.

        Raises:
            KeyboardInterrupt: it was interrupted.
        """
        name, run, out = "first run", self.runs / "first", self.runs / "first.onnx"
        if name in self.ledger.finished:
            return
        with self.ledger.work(name):
            if (run / "config.json").exists():
                report = rnn_train.resume(run, out=out, threads=1)
            else:
                report = rnn_train.train_charlm(request, out=out, run=run, threads=1)
            if not report.finished:
                raise KeyboardInterrupt

    def _result(self, held_out: Path, characters: int) -> dict[str, Any]:
        """Scores the student's files and the teacher's on the held-out text."""
        models = [
            ("charlm-small.onnx", self.runs / "first.onnx", "no"),
            ("charlm-small.int8.onnx", self.runs / "first.int8.onnx", "no"),
            (self.teacher.name, self.teacher, "yes"),
        ]
        seconds = self.ledger.seconds
        return {
            "command": f"python -m benchmarks.small_model {self.text.name}",
            "machine": machine(),
            "data": {
                "sha256": sha256(self.text),
                "characters": characters,
                "held_out": len(held_out.read_text("utf-8")),
            },
            "amounts": asdict(self.amounts),
            "cpu_hours": {name: round(each / 3600, 3) for name, each in seconds.items()},
            "models": [
                {"name": name, "learnt": learnt, **_scored(path, held_out)}
                for name, path, learnt in models
            ],
        }


def _facts(path: Path) -> dict[str, Any]:
    """What a file says of its training."""
    return dict(CharLM.load(path, device="cpu").metadata.training)


def _scored(path: Path, text: Path) -> dict[str, Any]:
    figures = rnn_train.evaluate(path, [str(text)])
    assert isinstance(figures, CharLMFigures)
    return {
        "sha256": sha256(path),
        "bytes": path.stat().st_size,
        "parameters": _facts(path)["parameters"],
        "nats_per_char": {key: round(nats, 4) for key, nats in figures.nats_per_char.items()},
    }


def main() -> None:
    """Makes the model, and writes the result."""
    found = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    found.add_argument("text", type=Path, help="the real text; it is not part of the project")
    found.add_argument("--runs", type=Path, default=Path("runs/small-model"))
    found.add_argument("--out", type=Path, default=RESULTS / "small_model.json")
    asked = found.parse_args()
    torch.set_num_threads(1)
    try:
        content = Maker(asked.text, asked.runs).make()
    except (RnnTrainError, RnnInferError) as error:
        raise SystemExit(f"error: {error}") from error
    except KeyboardInterrupt:
        print("interrupted; the same command goes on", file=sys.stderr)
        raise SystemExit(130) from None
    write_bytes(asked.out, (json.dumps(content, indent=1) + "\n").encode())
    for row in content["models"]:
        print(row["name"], row["parameters"], row["bytes"], row["nats_per_char"])


if __name__ == "__main__":
    main()
