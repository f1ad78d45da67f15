"""What each part of the classifier's recipe for large tables is worth: each part changed alone.

    python -m benchmarks.large_ablation TABLE.csv

Each variant learns a part of the table for some epochs, with one thread, through the command
`rnn-train classifier`. All variants read the same rows equally often, so the figures do not depend
on what else the machine does; the processor seconds say what a variant costs. The rows to measure
on have texts that no training row has. Finished variants are kept in the results file, and a
further call goes on after them.
"""

import argparse
import csv
import gzip
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from rnn_infer import load

from .ablation import Ablation, Figures
from .harness import RESULTS, machine

RESULT = RESULTS / "large_ablation.json"
VARIANTS: dict[str, tuple[str, ...]] = {
    "recipe": (),
    "without the word so far": ("--prefix", "0"),
    "half as many n-grams with a vector": ("--frequent-ngrams", "50000"),
    "a vector for each entry of the hash tables": ("--frequent-ngrams", "0"),
    "n-grams not alone first": ("--ngrams-alone", "0"),
    "n-grams alone for half of the run": ("--ngrams-alone", "0.5"),
    "without n-gram dropout": ("--ngram-dropout", "0"),
    # All of the vectors go through the recurrent layer.
    "without the way past the layer": ("--no-bag",),
    "without n-grams": ("--ngrams", "1", "--prefix", "0", "--no-bag"),
    "5-grams in place of the word so far": ("--prefix", "0", "--ngrams", "5"),
    "the word so far alone": ("--ngrams", "1"),
    "without balance": ("--balance", "0"),
    "balance 0.4": ("--balance", "0.4"),
    "twice as wide": ("--hidden", "256"),
    "half as wide": ("--hidden", "64"),
    "without dropout": ("--dropout", "0"),
    "without pooling": ("--no-pool",),
    "batch 256": ("--batch", "256"),
    "learning rate 0.003": ("--learning-rate", "0.003"),
    "GRU": ("--cell", "gru"),
    # Its teachers are of the default recipe. All three networks read the rows three times or more.
    "student of two networks": ("--ensemble", "2"),
}
KEPT = ("accuracy", "top_3_accuracy", "macro_f1", "best_prior_macro_f1", "calibration_error")


def main() -> None:
    """Measures all variants."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path, help="a table of text,label; .gz may be packed")
    parser.add_argument("--rows", type=int, default=250_000)
    parser.add_argument("--held-out", type=int, default=25_000)
    parser.add_argument("--epochs", type=float, default=3.0)
    parser.add_argument("--only", action="append", metavar="VARIANT")
    parser.add_argument("--results", type=Path, default=RESULT)
    asked = parser.parse_args()
    facts = {
        "command": "python -m benchmarks.large_ablation TABLE.csv",
        "data": asked.data.name,
        "machine": machine(),
        **{key: getattr(asked, key) for key in ("rows", "held_out", "epochs")},
    }
    found = Ablation(asked.results, facts)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        split(asked.data, folder, asked.rows, asked.held_out)
        for variant in asked.only or VARIANTS:
            if not found.has(variant, 0):
                figures = measure(folder, VARIANTS[variant], asked.epochs)
                found.keep(variant, 0, figures)
                print(f"{variant:32} {figures}", flush=True)


def split(data: Path, folder: Path, rows: int, held_out: int) -> None:
    """Writes a part of a table as `train.csv` and `held_out.csv`. No text is in both."""
    opener = gzip.open if data.suffix == ".gz" else open
    with opener(data, "rt", encoding="utf-8", newline="") as stream:
        table = list(csv.reader(stream))[1:]
    texts = sorted({row[0] for row in table})
    places = dict(
        zip(texts, np.random.default_rng(0).permutation(len(texts)).tolist(), strict=True)
    )
    table.sort(key=lambda row: places[row[0]])
    end = rows + next(i for i in range(1, len(table)) if table[rows + i][0] != table[rows][0])
    known = {label for _, label in table[:end]}
    sides = {"train": table[:end], "held_out": table[end : end + held_out]}
    for side, chosen in sides.items():
        with (folder / f"{side}.csv").open("w", encoding="utf-8", newline="") as out:
            csv.writer(out).writerows(
                [("text", "label"), *(row for row in chosen if row[1] in known)]
            )


def measure(folder: Path, options: tuple[str, ...], epochs: float) -> Figures:
    """Trains one variant and returns the figures of its file."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    command = [sys.executable, "-m", "rnn_train", "classifier", "--data", "train.csv"]
    command += ["--val-data", "held_out.csv", "--epochs", str(epochs), "--threads", "1"]
    with tempfile.TemporaryDirectory(dir=folder) as run:
        command += ["--run", f"{run}/run", "--out", f"{run}/out.onnx", *options]
        paths = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[1])}
        subprocess.run(command, cwd=folder, env=paths, check=True, capture_output=True)
        facts = load(Path(run) / "out.onnx", device="cpu").metadata.training
    seconds = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    figures = {key: float(facts[key]) for key in ("parameters", *KEPT)}
    return figures | {"cpu_seconds": seconds}


if __name__ == "__main__":
    main()
