"""Makes calls of the operating system fail on purpose, one by one, and sees what comes of it.

    python -m benchmarks.faults [--seconds S]

A library between the program and the C library makes the n-th call fail that concerns a file below
one folder, for n = 1, 2, 3, …, as SQLite's tests of I/O errors do. Each attempt runs in a process
of its own. It must end with the right result, or with an error of the package in one line that says
what to do. No half file and no temporary file may be left, the old file must be intact, and the
same operation must work afterwards in the same process. Written to results/faults.json.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from ..harness import RESULTS, machine
from . import shim


def main() -> None:
    """Runs all operations, writes the result, and fails if there is a problem."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--seconds", type=float, default=4.0, help="about so long for an operation and a fault"
    )
    seconds = parser.parse_args().seconds
    if (reason := shim.why_not()) is not None:
        print(f"{reason}; nothing was done")
        return
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        library = shim.build(Path(name))
        for module in ("reader", "trainer"):
            out = Path(name) / f"{module}.json"
            program = [sys.executable, "-m", "benchmarks.faults.child", module, str(out)]
            subprocess.run([*program, str(seconds)], env=shim.environment(library), check=True)
            rows += json.loads(out.read_text("utf-8"))
    content = {
        "command": "python -m benchmarks.faults",
        "machine": machine(),
        "seconds": seconds,
        "rows": [_short(row) for row in rows],
    }
    (RESULTS / "faults.json").write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    outcomes: Counter[str] = sum((Counter(row["outcomes"]) for row in rows), Counter())
    problems = sum(len(row["problems"]) for row in rows)
    print(f"{sum(outcomes.values())} faults: {dict(outcomes)}; {problems} problems")
    sys.exit(problems > 0)


def _short(row: dict[str, Any]) -> dict[str, Any]:
    """Leaves out the messages and the tracebacks: they name folders of one machine."""
    kept = {key: value for key, value in row.items() if key != "messages"}
    return kept | {"problems": list(map(_without_trace, row["problems"]))}


def _without_trace(problem: str) -> str:
    """Returns which call failed, and the last line of a traceback."""
    call, trace, rest = problem.partition("Traceback (most recent call last):")
    return call + rest.strip().splitlines()[-1] if trace else problem


if __name__ == "__main__":
    main()
