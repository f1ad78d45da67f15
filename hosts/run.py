"""Runs every file in every engine, and writes benchmarks/results/hosts.json.

    make hosts                               # sets up the environments, then
    python -m hosts.run                      # all engines
    python -m hosts.run --engine tract       # one of them; the others keep their results

Each engine has an environment of its own in hosts/build/, and each file a process of its own: some
engines end it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.harness import RESULTS, machine

from .engines import ENGINES
from .files import BUILD, FILES

HERE = Path(__file__).parent
RESULT = RESULTS / "hosts.json"
SECONDS = 240
"""What one file may take, compiling included."""


def environment(engine: str, python: str) -> Path:
    """Returns the Python of an engine's environment, which is made first if it is not there."""
    folder = BUILD / engine.lower().replace(" ", "-")
    found = folder / "bin" / "python"
    if not found.exists():
        subprocess.run([python, "-m", "venv", folder], check=True)
        subprocess.run([found, "-m", "pip", "install", "--quiet", *ENGINES[engine][1]], check=True)
    return found


def installed(engine: str, python: str) -> str:
    """Returns the version of an engine's first package, as its environment has it."""
    package = ENGINES[engine][1][0].partition("==")[0]
    program = f"import importlib.metadata as m; print(m.version({package!r}))"
    command = [environment(engine, python), "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def outcome(engine: str, file: str, python: str) -> dict[str, Any]:
    """Runs one file in one engine."""
    script, model = HERE / ENGINES[engine][0], BUILD / f"{file}.onnx"
    command = [str(environment(engine, python)), str(script), str(model)]
    threads = {"OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1", "TVM_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            env={**os.environ, **threads},
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"slow": SECONDS}
    lines = [each for each in done.stdout.splitlines() if each.startswith("RESULT ")]
    if not lines:
        return {"ended": True}  # how it ends is not kept: that is for the engine's authors
    found: dict[str, Any] = json.loads(lines[-1].removeprefix("RESULT "))
    if "seconds" in found:
        found["seconds"] = float(f"{statistics.median(found['seconds']):.4g}")
    if "difference" in found:
        found["difference"] = float(f"{found['difference']:.2g}")
    return found


def results_of(engine: str, python: str) -> dict[str, Any]:
    """Runs every file in one engine, each right after onnxruntime ran it."""
    found: dict[str, Any] = {}
    for file in FILES:
        found[file] = outcome(engine, file, python)
        if "seconds" in found[file] and engine != "onnxruntime":
            ordinary = "charlm.int8" if file.endswith("int8") else "charlm"
            beside = outcome("onnxruntime", ordinary, python)
            found[file]["onnxruntime_seconds"] = beside["seconds"]
        print(f"{engine}, {file}: {found[file]}", flush=True)
    return found


def main() -> None:
    """Runs what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", action="append", choices=list(ENGINES))
    parser.add_argument("--python", default=sys.executable, help="makes the environments; 3.12")
    arguments = parser.parse_args()
    known = json.loads(RESULT.read_text())["engines"] if RESULT.exists() else {}
    for engine in arguments.engine or ENGINES:
        version = installed(engine, arguments.python)
        files = results_of(engine, arguments.python)
        known[engine] = {"version": version, "files": files}
        ordered = {name: known[name] for name in ENGINES if name in known}
        content = {"command": "make hosts", "machine": machine(), "engines": ordered}
        RESULT.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
