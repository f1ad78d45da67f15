"""Everything that is measured on a GPU, in one command of at most eight minutes.

    python -m benchmarks.gpu [--text FILE] [--out FOLDER] [--rehearse] [--only PART]...

The parts stand in `benchmarks.gpu_parts`. Each runs in a process of its own with a time limit. Its
result is written to `gpu.json` as soon as it is there, so that a run that ends early keeps what it
measured; a part that fails is noted there, and the next one begins. `--rehearse` goes the same way
on the CPU with small shapes and writes to a temporary folder.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from .gpu_parts import PARTS, ROOT
from .harness import RESULTS

SECONDS = {
    "environment": 30,
    "agreement": 60,
    "generation": 140,
    "train": 90,
    "tests": 60,
    "quality": 50,
    "placement": 20,
    "idle": 30,
    "classifier": 60,
}
"""Time limit of each part."""


def run_part(name: str, more: list[str], limit: float) -> dict[str, Any]:
    """Runs one part in a process of its own.

    Returns:
        Its result under `result`, or what went wrong under `failed`; and its `seconds`.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "result.json"
        command = [sys.executable, "-m", "benchmarks.gpu_parts", name, str(path), *more]
        started = time.monotonic()
        try:
            done = subprocess.run(command, cwd=ROOT, timeout=limit, check=False)
            problem = f"exit code {done.returncode}" if done.returncode else None
        except subprocess.TimeoutExpired:
            problem = f"ran over its limit of {limit:g} seconds"
        outcome: dict[str, Any] = {"seconds": round(time.monotonic() - started, 1)}
        if problem is None and path.exists():
            return outcome | {"result": json.loads(path.read_text("utf-8"))}
        return outcome | {"failed": problem or "wrote no result"}


def main() -> None:
    """Runs all parts in order of their worth."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--text", type=Path, help="a text for `quality`")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for gpu.json")
    parser.add_argument("--rehearse", action="store_true")
    parser.add_argument("--only", action="append", choices=PARTS)
    arguments = parser.parse_args()
    out = Path(tempfile.mkdtemp()) if arguments.rehearse else arguments.out
    more = ["--rehearse"] if arguments.rehearse else []
    if arguments.text:
        more += ["--text", str(arguments.text.resolve())]
    found: dict[str, Any] = {"command": "python -m benchmarks.gpu", "parts": {}}
    for name in arguments.only or PARTS:
        print(f"── {name}", flush=True)
        found["parts"][name] = run_part(name, more, SECONDS[name])
        out.mkdir(parents=True, exist_ok=True)
        (out / "gpu.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    print(f"wrote {out / 'gpu.json'}")
    for name, part in found["parts"].items():
        print(f"  {name:12} {part['seconds']:6.1f} s   {part.get('failed', 'ok')}")
    if any("failed" in part for part in found["parts"].values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
