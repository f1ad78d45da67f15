"""Training in one process and in two, at one thread each.

    python -m benchmarks.ddp [--quick] [--rounds 3] [--seconds 60] [--models "charlm 2×512"]

Each round trains the same models with the same batches: in one process of one thread, and in two
under torchrun. Each model is trained alone, and then with an ensemble of two. It needs two free
cores, and takes about 20 times `--rounds` times `--seconds`.

`--quick` takes about six minutes: two models of the same sizes, 8 seconds of training a network,
and only with an ensemble. Shared steps are then those of the student.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import chain, islice
from pathlib import Path
from typing import Any

from rnn_train.data.datasets import open_texts
from rnn_train.training import checkpoint

from .harness import Race, write

ONE, TWO = "one process", "two processes"
WAYS = {
    ONE: [sys.executable],
    TWO: [str(Path(sys.executable).with_name("torchrun")), "--nproc-per-node", "2"],
}
MODELS = {
    "charlm 1×256": ["charlm", "--hidden", "256", "--layers", "1", "--batch", "32"],
    "charlm 2×512": ["charlm", "--hidden", "512", "--layers", "2", "--batch", "32"],
    "classifier 1×256": ["classifier", "--batch", "128", "--hidden", "256"],
}
CHARACTERS = 400_000
QUICK_MODELS, QUICK_SECONDS = ["charlm 1×256", "classifier 1×256"], 8.0
PROBE = 0.2
"""Epochs that are trained to see how long one takes."""


def train(way: str, arguments: list[str], folder: Path) -> float:
    """Runs a command to its end; returns its seconds."""
    folder.parent.mkdir(exist_ok=True)
    begun = time.perf_counter()
    command = [
        *WAYS[way],
        "-m",
        "rnn_train",
        *arguments,
        "--run-folder",
        str(folder),
        "--device",
        "cpu",
    ]
    command += ["--threads", "1", "--out", str(folder.with_suffix(".onnx"))]
    with Path(f"{folder}.log").open("w") as log:
        subprocess.run(
            command,
            check=True,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
    return time.perf_counter() - begun


def last(folder: Path) -> dict[str, Any]:
    """The last checkpoint of a run."""
    state, _ = checkpoint.load_latest(folder / "checkpoints")
    return state


def sizes(folder: Path) -> dict[str, float]:
    """What a step sends: bytes of the trained weights, and of the carried states."""
    state = last(folder)
    config = json.loads((folder / "config.json").read_text())
    evidence = sum(v.nbytes for name, v in state["model"].items() if name.endswith(".evidence"))
    return {
        "weights": sum(each.nbytes for each in state["model"].values()) - evidence,
        "carried": sum(each.nbytes for each in state["task"].get("carried", ())),
        "batch": config["training"]["batch"],
        "units": state["units"] / state["step"],
    }


def epochs(arguments: list[str], seconds: float, folder: Path) -> str:
    """How many epochs one process trains in so many seconds."""
    train(ONE, [*arguments, "--epochs", f"{PROBE}"], folder)
    return f"{PROBE * seconds / last(folder)['elapsed']:.3f}"


class Races:
    """The races of one model."""

    def __init__(self, name: str) -> None:
        ways = (ONE, TWO)
        self.steps = Race(name, "unit", {way: [] for way in ways})
        self.members = Race(f"{name}; ensemble of 2", "network", {way: [] for way in ways})
        self.whole = Race(f"{name}; whole command", "command", {way: [] for way in ways})
        self.sizes: dict[str, float] = {}

    def add_steps(self, way: str, folder: Path) -> None:
        """Adds the steps of a run, or of the student of its ensemble."""
        state = last(folder)
        self.steps.samples[way].append(state["elapsed"] / state["units"])
        self.sizes = sizes(folder)

    def add_ensemble(self, way: str, folder: Path, seconds: float) -> None:
        """Adds the networks of a run that took so many seconds in all."""
        self.whole.samples[way].append(seconds)
        each = [last(folder / "teachers" / n)["elapsed"] for n in "12"]
        self.members.samples[way].append(sum(each) if way == ONE else max(each))


def measure(
    name: str, text: Path, folder: Path, rounds: int, seconds: float, *, alone: bool
) -> Races:
    """Trains one model in turns in one process and in two.

    Args:
        name: of the model.
        text: what charlm learns.
        folder: where the runs go.
        rounds: how many times.
        seconds: training of one network in one process.
        alone: train the model without an ensemble too, for its steps.
    """
    model, races = MODELS[name], Races(name)
    data = ["--data", str(text)] if model[0] == "charlm" else []
    arguments = [*model, *data, "--validate-every", "1000000"]
    arguments += ["--epochs", epochs(arguments, seconds, folder / "probe")]
    for number in range(rounds):
        for way in WAYS:
            run = folder / f"{way}-{number}"
            if alone:
                train(way, arguments, run)
                races.add_steps(way, run)
                run = run.with_name(f"{run.name}-ensemble")
            races.add_ensemble(way, run, train(way, [*arguments, "--ensemble", "2"], run))
            if not alone:
                races.add_steps(way, run)
    return races


def main() -> None:
    """Measures, and writes the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--models", nargs="+", choices=MODELS)
    options = parser.parse_args()
    quick = options.quick
    seconds = options.seconds or (QUICK_SECONDS if quick else 60.0)
    found: dict[str, Races] = {}
    with tempfile.TemporaryDirectory() as home:
        text = Path(home) / "text.txt"
        chunks = chain.from_iterable(file.chunks() for file in open_texts(["python"]))
        text.write_text("".join(islice(chain.from_iterable(chunks), CHARACTERS)), "utf-8")
        for name in options.models or (QUICK_MODELS if quick else MODELS):
            folder = Path(home) / name
            found[name] = measure(name, text, folder, options.rounds, seconds, alone=not quick)
    races = [each for own in found.values() for each in (own.steps, own.members, own.whole)]
    models = {name: own.sizes for name, own in found.items()}
    write("ddp", races, seconds=seconds, threads=1, quick=quick, models=models)


if __name__ == "__main__":
    main()
