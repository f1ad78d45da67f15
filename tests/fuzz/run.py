"""Coverage-guided fuzzing with atheris (libFuzzer): `python tests/fuzz/run.py --seconds 60`.

    pip install "atheris>=3"                          # Linux, Python 3.11 to 3.13
    python tests/fuzz/run.py --seconds 3600           # each target for an hour
    python tests/fuzz/run.py --write                  # also keep the corpus and the figures

Each target runs in a process of its own. A fault leaves its input in the folder --found.
"""

import argparse
import base64
import json
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CORPUS = Path(__file__).with_name("corpus")
KEPT, KEPT_BYTES = 60, 600
"""Inputs that the committed corpus keeps of a target, at most, and their size."""


def fuzz(name: str, arguments: list[str]) -> None:
    """Fuzz one target in this process. It does not return: libFuzzer ends the process."""
    import atheris

    with atheris.instrument_imports(include=["rnn_infer"]):
        from tests.fuzz.targets import TARGETS
    target = TARGETS[name]

    def mutate(data: bytes, size: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if target.mutate and rng.random() < 0.8:
            return target.mutate(data, rng)[:size]
        changed: bytes = atheris.Mutate(data, size)
        return changed

    atheris.Setup([sys.argv[0], *arguments], target.run, custom_mutator=mutate)
    atheris.Fuzz()


def campaign(name: str, seconds: int, found: Path, write: bool) -> dict[str, Any]:
    """Fuzz one target in a child process, and return its figures."""
    from tests.fuzz.targets import TARGETS

    with tempfile.TemporaryDirectory() as scratch:
        corpus = Path(scratch)
        path = CORPUS / f"{name}.txt"
        old = path.read_text("ascii").split() if path.exists() else []
        for at, data in enumerate([*map(base64.b64decode, old), *TARGETS[name].seeds()]):
            (corpus / f"seed{at}").write_bytes(data)
        limits = ["-max_len=60000", "-rss_limit_mb=2048", "-timeout=20", "-seed=1"]
        command = [sys.executable, __file__, "--child", name, "--"]
        command += [str(corpus), f"-max_total_time={seconds}", *limits]
        command += [f"-artifact_prefix={found}/{name}-"]
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", check=False, cwd=ROOT
        )
        figures = _figures(done.stderr)
        if done.returncode:
            print(done.stderr[-3000:], file=sys.stderr)
        if write and name != "model":  # a model is too large to keep
            _keep(path, corpus)
    return {"target": name, "seconds": seconds, "failed": done.returncode != 0, **figures}


def _figures(log: str) -> dict[str, int]:
    """Read the last line of libFuzzer's progress."""
    lines = re.findall(r"^#(\d+)\s.*?cov: (\d+).*?rss: (\d+)Mb", log, re.MULTILINE)
    runs, edges, memory = lines[-1] if lines else (0, 0, 0)
    return {"executions": int(runs), "edges": int(edges), "peak_mb": int(memory)}


def _keep(path: Path, corpus: Path) -> None:
    """Keep the smallest inputs of a corpus, as lines of base64."""
    inputs = sorted({each.read_bytes() for each in corpus.iterdir()}, key=len)
    kept = [data for data in inputs if 0 < len(data) <= KEPT_BYTES or path.stem == "snapshot"]
    step = max(1, len(kept) // KEPT)
    lines = [base64.b64encode(data).decode() for data in kept[::step][:KEPT]]
    path.write_text("\n".join(lines) + "\n", "ascii")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=int, default=60, help="time for each target")
    parser.add_argument("--target", action="append", help="only this target (repeatable)")
    parser.add_argument("--found", type=Path, default=Path("found"), help="folder for faults")
    parser.add_argument("--write", action="store_true", help="keep the corpus and the figures")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("arguments", nargs="*", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        fuzz(chosen.child, chosen.arguments)
    from tests.fuzz.targets import TARGETS

    chosen.found.mkdir(exist_ok=True)
    rows = []
    for name in chosen.target or TARGETS:
        rows.append(campaign(name, chosen.seconds, chosen.found, chosen.write))
        print(json.dumps(rows[-1]), flush=True)
    if chosen.write:
        from benchmarks.harness import RESULTS, machine

        path = RESULTS / "coverage_fuzz.json"
        fresh = {row["target"] for row in rows}
        if path.exists():
            rows += [
                row for row in json.loads(path.read_text())["rows"] if row["target"] not in fresh
            ]
        rows.sort(key=lambda row: list(TARGETS).index(row["target"]))
        content = {"command": f"python tests/fuzz/run.py --seconds {chosen.seconds} --write"}
        result = content | {"machine": machine(), "rows": rows}
        path.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    return int(any(row["failed"] for row in rows))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
