"""`rnn-infer classify --input` on a large table, beside the library on the same texts in memory.

    python -m benchmarks.classify_input

Two tables with missing values are made of the surnames that the trainer brings along: single names,
which come again and again, and pairs of names, of which nearly all are different. Each contestant
is a process of its own. The command reads, classifies and writes the whole table, and starts; of
the library only `classify_columns` counts, after the texts were read and the model was loaded.
"""

import argparse
import csv
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from .harness import Race, write

MODEL = Path(__file__).parents[1] / "exported" / "classifier.onnx"
SURNAMES = Path(__file__).parents[1] / "rnn_train" / "data" / "surnames.csv"
LIBRARY, PROCESSOR = "library", "; processor"
COMMANDS = {"--json": ["--json"], "--output csv": ["--output", "csv"]}
TOP = 3


class Used(NamedTuple):
    """What a process used."""

    seconds: float
    processor: float
    megabytes: float


def make_table(path: Path, rows: int, pairs: bool) -> None:
    """Writes a table of ids and names; 3 rows of 100 have no name."""
    with SURNAMES.open(encoding="utf-8", newline="") as stream:
        names = [row[0] for row in csv.reader(stream)][1:]
    chance = random.Random(0)
    with path.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(["id", "name"])
        for number in range(rows):
            name = chance.choice(names) + (f" {chance.choice(names)}" if pairs else "")
            table.writerow(
                [number, name if chance.random() > 0.03 else chance.choice(["", "NULL"])]
            )


def library(table: Path) -> None:
    """Classifies a table in this process, and prints what only the classification used."""
    import rnn_infer

    with table.open(encoding="utf-8", newline="") as stream:
        texts = ["" if name == "NULL" else name for _, name in csv.reader(stream)][1:]
    classifier = rnn_infer.Classifier.load(MODEL, device="cpu")
    begun = time.perf_counter(), time.process_time()
    classifier.classify_columns(texts, top=TOP, on_empty="none")
    seconds, processor = time.perf_counter() - begun[0], time.process_time() - begun[1]
    sys.stdout.write(json.dumps([seconds, processor]))


def run(command: list[str], out: Path) -> Used:
    """Runs a process, with its output in a file."""
    begun = time.perf_counter()
    with out.open("wb") as stream:
        process = subprocess.Popen([sys.executable, *command], stdout=stream)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"failed: {' '.join(command)}")
    seconds = time.perf_counter() - begun
    return Used(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def contest(name: str, table: Path, rounds: int, peaks: dict[str, float]) -> list[Race]:
    """Runs all contestants in turns: a race of wall-clock time, and one of processor time."""
    wall, processor = Race(name, "table"), Race(name + PROCESSOR, "table")
    out = table.with_suffix(".out")
    classify = ["-m", "rnn_infer", "classify", "--model", str(MODEL), "--device", "cpu"]
    classify += ["--input", str(table), "--text-column", "name", "--top", str(TOP)]
    for _ in range(rounds):
        used = run(["-m", "benchmarks.classify_input", "--library", str(table)], out)
        seconds, processor_seconds = json.loads(out.read_text())
        own = Used(seconds, processor_seconds, used.megabytes)
        for contestant, each in {
            LIBRARY: own,
            **{kind: run([*classify, *more], out) for kind, more in COMMANDS.items()},
        }.items():
            wall.samples.setdefault(contestant, []).append(each.seconds)
            processor.samples.setdefault(contestant, []).append(each.processor)
            key = f"{name}; {contestant}"
            peaks[key] = round(max(peaks.get(key, 0), each.megabytes))
    return [wall, processor]


def main() -> None:
    """Measures both tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--library", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.library:
        library(asked.library)
        return
    races: list[Race] = []
    facts: dict[str, Any] = {"rows": asked.rows, "peak_megabytes": {}}
    with tempfile.TemporaryDirectory() as folder:
        for name, pairs in (("single names", False), ("pairs of names", True)):
            table = Path(folder) / "names.csv"
            make_table(table, asked.rows, pairs)
            races += contest(name, table, asked.rounds, facts["peak_megabytes"])
            for found in races[-2:]:
                for kind in COMMANDS:
                    print(f"{found.name}, {kind}: {found.ratio(kind, LIBRARY):.2f} of the library")
            sys.stdout.flush()
    write("classify_input", races, **facts)


if __name__ == "__main__":
    main()
