"""Damaged and hostile files in a child process, which must not crash. See `fuzz.py`."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the memory limit needs Linux"),
]


def fuzz(*arguments: str) -> dict[str, Any]:
    """Run `fuzz.py` and return its summary. Fail if the process crashes."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("fuzz.py")), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        # Each thread of a numeric library reserves address space.
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    lines = done.stdout.splitlines() or ["nothing"]
    ended = lines[-1].startswith("{")
    assert ended, f"exit code {done.returncode} at: {lines[-1]}\n{done.stderr[-2000:]}"
    summary: dict[str, Any] = json.loads(lines[-1])
    assert (done.returncode == 0) is (not summary["faults"])
    return summary


def test_damaged_files() -> None:
    summary = fuzz("--cases", "240")
    assert summary["faults"] == []
    assert summary["runs"] > 20
    assert summary["refused"] > 100
    assert summary["peak_mb"] < 500


def test_crafted_attacks() -> None:
    summary = fuzz("--what", "attacks")
    assert summary["faults"] == []
    assert summary["refused"] > 40


def test_graphs_with_undeclared_outputs() -> None:
    assert fuzz("--what", "false outputs")["faults"] == []
