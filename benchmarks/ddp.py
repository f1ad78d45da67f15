"""Training in one process and in two, at one thread each.

    python -m benchmarks.ddp [--rounds 3] [--seconds 60] [--models "charlm 2×512"]

Each round trains the same models with the same batches: in one process of one thread, and in two
under torchrun. Each model is trained alone, and then with an ensemble of two. It needs two free
cores, and takes about 20 times `--rounds` times `--seconds`.
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


def main() -> None:
    """Measures, and writes the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    options = parser.parse_args()
    races: list[Race] = []
    facts: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as home:
        text = Path(home) / "text.txt"
        chunks = chain.from_iterable(file.chunks() for file in open_texts(["python"]))
        text.write_text("".join(islice(chain.from_iterable(chunks), CHARACTERS)), "utf-8")
        for name in options.models:
            model = MODELS[name]
            data = ["--data", str(text)] if model[0] == "charlm" else []
            arguments = [*model, *data, "--validate-every", "1000000"]
            budget = ["--epochs", epochs(arguments, options.seconds, Path(home) / name / "probe")]
            steps = Race(name, "unit", {ONE: [], TWO: []})
            members = Race(f"{name}; ensemble of 2", "network", {ONE: [], TWO: []})
            whole = Race(f"{name}; whole command", "command", {ONE: [], TWO: []})
            for number in range(options.rounds):
                for way in WAYS:
                    folder = Path(home) / name / f"{way}-{number}"
                    train(way, [*arguments, *budget], folder)
                    state = last(folder)
                    steps.samples[way].append(state["elapsed"] / state["units"])
                    facts[name] = sizes(folder)
                    folder = folder.with_name(f"{folder.name}-ensemble")
                    seconds = train(way, [*arguments, *budget, "--ensemble", "2"], folder)
                    whole.samples[way].append(seconds)
                    each = [last(folder / "teachers" / n)["elapsed"] for n in "12"]
                    members.samples[way].append(sum(each) if way == ONE else max(each))
            races += [steps, members, whole]
    write("ddp", races, seconds=options.seconds, threads=1, models=facts)


if __name__ == "__main__":
    main()
