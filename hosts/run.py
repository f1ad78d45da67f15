"""Runs every file in every engine, and writes benchmarks/results/hosts.json.

    make hosts                               # sets up the environments, then
    python -m hosts.run                      # all engines
    python -m hosts.run --engine tract       # one of them; the others keep their results
    python -m hosts.run --file classifier    # the files with this beginning; the others keep theirs

Each engine has an environment of its own in hosts/build/, and each file a process of its own: some
engines end it. A file and an engine have a time limit each, so that a slow one does not stop the
others.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.harness import RESULTS, machine

from .engines import ENGINES
from .environments import InstallError, environment, installed
from .files import BUILD, FILES

HERE = Path(__file__).parent
RESULT = RESULTS / "hosts.json"
FILE_SECONDS, ENGINE_SECONDS = 240, 1200
"""What one file may take, compiling included; and all files of an engine."""
ONE_THREAD = {"OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1", "TVM_NUM_THREADS": "1"}


def output(command: list[str], seconds: float) -> str | None:
    """Returns the standard output of a command. None: it took too long, and was ended.

    It is ended with the processes that it started: an engine's compiler, for example.
    """
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **ONE_THREAD},
        start_new_session=True,
    ) as process:
        try:
            return process.communicate(timeout=seconds)[0]
        except subprocess.TimeoutExpired:
            return None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def outcome(engine: str, file: str, python: str, seconds: float = FILE_SECONDS) -> dict[str, Any]:
    """Runs one file in one engine.

    Returns:
        What `driver.measured` found; or `refused`: the error; `ended`: the process ended without a
        result; `slow`: the seconds after which it was ended.
    """
    script, model = HERE / f"{ENGINES[engine].script}.py", BUILD / f"{file}.onnx"
    printed = output([str(environment(engine, python)), str(script), str(model)], seconds)
    if printed is None:
        return {"slow": round(seconds)}
    lines = [each for each in printed.splitlines() if each.startswith("RESULT ")]
    if not lines:
        return {"ended": True}  # how it ends is not kept: that is for the engine's authors
    found: dict[str, Any] = json.loads(lines[-1].removeprefix("RESULT "))
    if "seconds" in found:
        found["seconds"] = float(f"{statistics.median(found['seconds']):.4g}")
    for name in ("difference", "batch"):
        if isinstance(found.get(name), float):
            found[name] = float(f"{found[name]:.2g}")
    return found


def results_of(engine: str, python: str, begin: str = "") -> dict[str, Any]:
    """Runs the files with this beginning in one engine. After a file that it draws from,
    onnxruntime draws."""
    found: dict[str, Any] = {}
    end = time.monotonic() + ENGINE_SECONDS
    for file in (name for name in FILES if name.startswith(begin)):
        left = end - time.monotonic()
        found[file] = outcome(engine, file, python, min(FILE_SECONDS, left)) if left > 1 else {}
        if not found[file]:
            found[file] = {"not_run": ENGINE_SECONDS}
        if "seconds" in found[file] and engine != "onnxruntime":
            ordinary = "charlm.int8" if file.endswith("int8") else "charlm"
            beside = outcome("onnxruntime", ordinary, python)
            if "seconds" in beside:
                found[file]["onnxruntime_seconds"] = beside["seconds"]
        print(f"{engine}, {file}: {found[file]}", flush=True)
    return found


def main() -> None:
    """Runs what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", action="append", choices=list(ENGINES))
    parser.add_argument("--file", default="", metavar="BEGIN", help="default: all files")
    parser.add_argument("--python", default=sys.executable, help="makes the environments; 3.12")
    arguments = parser.parse_args()
    known = json.loads(RESULT.read_text())["engines"] if RESULT.exists() else {}
    for engine in arguments.engine or ENGINES:
        try:
            packages = installed(engine, arguments.python)
        except InstallError as error:
            print(f"{error}; its earlier results stay", file=sys.stderr)
            continue
        earlier = known.get(engine, {}).get("files", {})
        files = results_of(engine, arguments.python, arguments.file)
        files = {name: (earlier | files)[name] for name in FILES if name in earlier | files}
        version = packages[ENGINES[engine].packages[0].partition("==")[0]]
        known[engine] = {"version": version, "packages": packages, "files": files}
        ordered = {name: known[name] for name in ENGINES if name in known}
        content = {"command": "make hosts", "machine": machine(), "engines": ordered}
        RESULT.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
