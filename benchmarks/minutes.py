"""How well `--minutes` holds: wall clock of the whole command against the minutes asked for.

    python -m benchmarks.minutes [--minutes 0.5] [--threads 1]

Each command runs in a process of its own, on data that is made here. Written to
results/minutes.json.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .harness import RESULTS, machine


def make_data(folder: Path) -> dict[str, list[str]]:
    """Write the inputs, and return the arguments of each command by name."""
    rng = random.Random(1)
    words = ["".join(rng.choices("abcdefghij", k=rng.randint(2, 8))) for _ in range(500)]
    (folder / "small.txt").write_text(" ".join(rng.choices(words, k=8_000)))
    many = [chr(0x4E00 + at) for at in range(6_400)]
    (folder / "many.txt").write_text("".join(rng.choices(many, k=60_000)))
    names = [f"{name},{'ab'[len(name) % 2]}" for name in rng.choices(words, k=200)]
    (folder / "few.csv").write_text("\n".join(["text,label", *names]) + "\n")
    _long_rows(folder / "sixty.csv", [12_000] * 60, rng)
    _long_rows(folder / "one.csv", [2_000_000, *[12] * 199], rng)
    return {
        "charlm, 45 kB": ["charlm", "--data", "small.txt"],
        "charlm, 6,400 characters": ["charlm", "--data", "many.txt"],
        "classifier, 200 rows": ["classifier", "--data", "few.csv"],
        "classifier, the surnames": ["classifier"],
        "classifier, sixty rows of 12,000": ["classifier", "--data", "sixty.csv"],
        "classifier, one row of 2,000,000": ["classifier", "--data", "one.csv"],
    }


def _long_rows(path: Path, lengths: list[int], rng: random.Random) -> None:
    rows = ["text,label"]
    for at, length in enumerate(lengths):
        letters = ("abcde ", "bcdef ")[at % 2]
        rows.append("".join(rng.choices(letters, k=length)) + f"x,{'ab'[at % 2]}")
    path.write_text("\n".join(rows) + "\n")


def main() -> None:
    """Run each command, and write how long it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=0.5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for name, arguments in make_data(Path(scratch)).items():
            command = [sys.executable, "-m", "rnn_train", *arguments, "--out", "model.onnx"]
            command += ["--minutes", str(options.minutes), "--threads", str(options.threads)]
            began = time.monotonic()
            subprocess.run(command, cwd=scratch, check=True, capture_output=True)
            seconds = time.monotonic() - began
            over = seconds / (60 * options.minutes) - 1
            rows.append({"input": name, "seconds": round(seconds, 1), "over": round(over, 3)})
            print(json.dumps(rows[-1]), flush=True)
    facts = {"command": f"python -m benchmarks.minutes --minutes {options.minutes:g}"}
    result = facts | {"machine": machine(), "threads": options.threads, "rows": rows}
    (RESULTS / "minutes.json").write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
