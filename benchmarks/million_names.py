"""Training of the classifier on a large table and on long rows: rows, memory, minutes kept.

    python -m benchmarks.million_names --data TABLE.csv --minutes 8 [--before FOLDER]

`--before` is a folder with another version of the sources. It trains at the same time as this one,
with one thread each. Ten thousand rows of the table, sixty rows of 12,000 characters and one row of
2,000,000 characters follow, with this version alone.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.harness import machine

HERE = Path(__file__).parent
RESULT = HERE / "results" / "million_names.json"


def start(sources: Path, data: Path, minutes: float, folder: Path) -> tuple[int, float]:
    """Starts a training run; returns its process id and the time."""
    command = [sys.executable, "-m", "rnn_train", "classifier", "--data", str(data)]
    command += ["--minutes", str(minutes), "--threads", "1", "--run", str(folder / "run")]
    command += ["--out", str(folder / "out.onnx")]
    environment = os.environ | {"PYTHONPATH": str(sources)}
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    return process.pid, time.monotonic()


def finish(pid: int, begun: float, folder: Path, minutes: float) -> dict[str, Any]:
    """Waits for a run and returns its figures."""
    _, status, usage = os.wait4(pid, 0)
    seconds = time.monotonic() - begun
    if status:
        return {"failed": (folder / "log.txt").read_text()[-300:], "seconds": round(seconds, 1)}
    lines = (folder / "run" / "metrics.jsonl").read_text().splitlines()
    last = json.loads(lines[-1])
    rows = last["seconds"] * last["units_per_second"]
    return {
        "seconds": round(seconds, 1),
        "over_the_minutes": round(seconds / (60 * minutes) - 1, 3),
        "training_seconds": last["seconds"],
        "steps": last["step"],
        "rows_trained": round(rows),
        "rows_a_second_of_all": round(rows / seconds),
        "peak_megabytes": round(usage.ru_maxrss / 1024),
        "val_accuracy_of_sample": last.get("val_accuracy"),
    }


def long_rows(path: Path, lengths: list[int]) -> Path:
    """Writes a table of long rows of two labels."""
    chance = random.Random(0)
    lines = [
        "".join(chance.choices("abcdefg " if i % 2 else "defghij ", k=length)) + f",{'xy'[i % 2]}"
        for i, length in enumerate(lengths)
    ]
    path.write_text("text,label\n" + "\n".join(lines) + "\n")
    return path


def main() -> None:
    """Runs all of it and writes the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="a large table; without it, long rows alone")
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--before", type=Path)
    asked = parser.parse_args()
    found: dict[str, Any] = {"machine": machine(), "threads": 1}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        tables = {
            "sixty rows of 12,000": long_rows(root / "sixty.csv", [12_000] * 60),
            "one row of 2,000,000": long_rows(root / "one.csv", [2_000_000] + [100] * 99),
        }
        started = {}
        if asked.data:
            found |= {"minutes": asked.minutes, "data": asked.data.name}
            sources = {"now": HERE.parent} | ({"before": asked.before} if asked.before else {})
            for version, where in sources.items():
                (root / version).mkdir()
                data = asked.data.resolve()
                started[version] = start(where.resolve(), data, asked.minutes, root / version)
            tables["ten thousand rows"] = small = root / "ten_thousand.csv"
            with asked.data.open(encoding="utf-8") as stream:
                few = "".join(line for line, _ in zip(stream, range(10_000), strict=False))
            small.write_text(few)
        for version, (pid, begun) in started.items():
            found[version] = finish(pid, begun, root / version, asked.minutes)
        for title, table in tables.items():
            folder = root / table.stem
            folder.mkdir()
            found[title] = finish(*start(HERE.parent, table, 0.2, folder), folder, 0.2)
    RESULT.write_text(json.dumps(found, indent=2) + "\n")
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
