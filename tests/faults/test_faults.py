"""Faults at each call of the system, in fast operations. `python -m benchmarks.faults` has all."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.faults import shim

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(shim.why_not() is not None, reason=str(shim.why_not()))
@pytest.mark.parametrize(
    ("module", "words"),
    [("reader", ["load a model", "read a table"]), ("trainer", ["metrics", "encode"])],
)
def test_each_fault_is_an_error_with_a_cure(module: str, words: list[str], tmp_path: Path) -> None:
    library, out = shim.build(tmp_path), tmp_path / "rows.json"
    program = [sys.executable, "-m", "benchmarks.faults.child", module, str(out), "0.3", *words]
    subprocess.run(program, cwd=ROOT, env=shim.environment(library), check=True)
    rows = json.loads(out.read_text("utf-8"))
    assert [problem for row in rows for problem in row["problems"]] == []
    assert sum(sum(row["outcomes"].values()) for row in rows) >= len(rows) - 1
    # A model file and a table are opened once: what was checked is what is used.
    opened = [row["calls"] for row in rows if row["fault"] == "EMFILE" and module == "reader"]
    assert opened == [1] * len(opened)
