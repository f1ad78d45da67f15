"""Everything that is measured on a GPU, in one command of at most eight minutes.

    python -m benchmarks.gpu [--text FILE] [--out FOLDER] [--rehearse] [--only PART]...

The parts stand in `parts`. Each runs in a process of its own with a time limit, and hands over what
it has as soon as it is there. It is written to `gpu.json` at the end of each part, so that neither
a part that fails or takes too long, nor a run that ends early, loses what it measured. `--rehearse`
goes the same way on the CPU with small shapes and long limits, and writes to a temporary folder.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from rnn_train.files import write_bytes

from ..harness import RESULTS
from .checks import ROOT
from .parts import PARTS

SECONDS = {
    "environment": 20,
    "files": 50,
    "agreement": 40,
    "generation": 110,
    "train": 70,
    "tests": 60,
    "quality": 45,
    "placement": 15,
    "idle": 25,
    "classifier": 45,
}
"""Time limit of each part."""
REHEARSAL_SECONDS = 600
"""Time limit of each part on the CPU, which others may be using."""


def run_part(command: list[str], result: Path, limit: float) -> dict[str, Any]:
    """Runs one part, and ends all processes that it has started.

    Args:
        command: writes what it has to a file, each time that it has more.
        result: that file.
        limit: seconds.

    Returns:
        Its `seconds`; its last `result`, if there is any; and what went wrong under `failed`.
    """
    started = time.monotonic()
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        # A process group: pytest, and the contestants of a race, are processes of their own.
        process = subprocess.Popen(command, cwd=ROOT, stderr=errors, process_group=0)
        try:
            code: int | None = process.wait(limit)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        outcome: dict[str, Any] = {"seconds": round(time.monotonic() - started, 1)}
        errors.seek(0)
        said = errors.read()
    sys.stderr.write(said)
    if result.exists():
        outcome["result"] = json.loads(result.read_text("utf-8"))
    if code is None:
        outcome["failed"] = f"ran over its limit of {limit:g} seconds"
    elif code:
        *_, last = said.strip().splitlines() or [""]
        outcome["failed"] = f"exit code {code}: {last}"
    return outcome


def earlier_parts(out: Path) -> dict[str, Any]:
    """Returns the parts that an earlier call wrote; none if there is no file."""
    return dict(json.loads(out.read_bytes())["parts"]) if out.exists() else {}


def main() -> None:
    """Runs all parts in order of their worth."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--text", type=Path, help="a text for `quality`")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for gpu.json")
    parser.add_argument("--rehearse", action="store_true", help="small shapes on the CPU")
    parser.add_argument(
        "--only", action="append", choices=PARTS, help="run this part; the results of others stay"
    )
    asked = parser.parse_args()
    out = (Path(tempfile.mkdtemp()) if asked.rehearse else asked.out) / "gpu.json"
    more = ["--rehearse"] if asked.rehearse else []
    if asked.text:
        more += ["--text", str(asked.text.resolve())]
    parts = earlier_parts(out) if asked.only else {}
    found: dict[str, Any] = {"command": "python -m benchmarks.gpu", "parts": parts}
    with tempfile.TemporaryDirectory() as folder:
        for name in asked.only or PARTS:
            print(f"── {name}", flush=True)
            result = Path(folder) / f"{name}.json"
            command = [sys.executable, "-m", "benchmarks.gpu.parts", name, str(result), folder]
            limit = REHEARSAL_SECONDS if asked.rehearse else SECONDS[name]
            found["parts"][name] = run_part([*command, *more], result, limit)
            write_bytes(out, (json.dumps(found, indent=1) + "\n").encode())
    print(f"wrote {out}")
    for name in asked.only or PARTS:
        part = found["parts"][name]
        print(f"  {name:12} {part['seconds']:6.1f} s   {part.get('failed', 'ok')}")
    if any("failed" in found["parts"][name] for name in asked.only or PARTS):
        sys.exit(1)


if __name__ == "__main__":
    main()
