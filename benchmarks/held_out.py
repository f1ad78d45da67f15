"""Where a character model's held-out text should come from, and what it costs to hold text out.

    python -m benchmarks.held_out book.txt

The last tenth of a text stands for text that comes later: no run reads it. Small networks are
trained on the rest with the same number of epochs, so that they differ only in what they hold out:
its last tenth; pieces from everywhere, which the last fifth of training learns too (the default);
the same pieces, never learnt; or nothing. The later text measures all of them, by the protocol
`stateful`, at the temperature that each run fitted.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import rnn_train

from .harness import write

FUTURE, LAST = 0.1, 0.1
"""Share of the text that no run reads, and share of the rest that the first way holds out."""
WAYS = (
    "its last tenth",
    "pieces from everywhere, learnt at the end (default)",
    "pieces from everywhere, never learnt",
    "nothing",
)
MODEL = {"layers": 1, "hidden": 256}


def main() -> None:
    """Trains and measures each way with several seeds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("text", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=float, default=2.0)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    text = asked.text.read_text("utf-8")
    ways: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for seed in range(asked.seeds):
        for way in WAYS:
            with tempfile.TemporaryDirectory() as folder:
                figures = measure(Path(folder), text, way, seed, asked.epochs, asked.threads)
            ways[way].append(figures)
            print(seed, way, figures, flush=True)
        facts = {"characters": len(text), "model": MODEL, "epochs": asked.epochs}
        write("held_out", [], **facts, ways=[_row(way, runs) for way, runs in ways.items()])


def measure(
    folder: Path, text: str, way: str, seed: int, epochs: float, threads: int
) -> dict[str, float]:
    """Trains one network and measures it on the later text."""
    known = len(text) - round(len(text) * FUTURE)
    future = folder / "future.txt"
    future.write_text(text[known:], "utf-8")
    options: dict[str, Any] = {}
    if way == WAYS[0]:
        train = known - round(known * LAST)
        (folder / "last.txt").write_text(text[train:known], "utf-8")
        options["val_data"] = str(folder / "last.txt")
        known = train
    elif way == WAYS[2]:
        options["learn_held_out"] = False
    elif way == WAYS[3]:
        options["val_fraction"] = 0.0
    (folder / "known.txt").write_text(text[:known], "utf-8")
    request = rnn_train.CharLMRequest(
        data=(str(folder / "known.txt"),), epochs=epochs, seed=seed, model=MODEL, **options
    )
    report = rnn_train.train_charlm(
        request, out=folder / "model.onnx", run=folder / "run", threads=threads, log=lambda _: None
    )
    figures = rnn_train.evaluate(report.run, [str(future)], log=lambda _: None)
    found = {"later": figures.as_json()["protocols"]["stateful"]["nats_per_char"]}
    if held_out := report.metrics.get("held_out_nats_per_char"):
        found["held_out"] = held_out
    return found


def _row(way: str, runs: list[dict[str, float]]) -> dict[str, Any]:
    mean = {key: float(np.mean([run[key] for run in runs])) for key in runs[0]}
    return {"held out": way, "mean": mean, "runs": runs}


if __name__ == "__main__":
    main()
