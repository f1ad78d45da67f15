"""The command for a GPU: time limits, failures, and what is kept of them."""

import json
import sys
import time
from pathlib import Path

import pytest

from benchmarks.gpu.__main__ import SECONDS, run_part
from benchmarks.gpu.files import STEPS, WEIGHTS, export_all
from benchmarks.gpu.parts import PARTS
from benchmarks.networks import Shape
from rnn_infer.runtime.stepper import Stepper


def program(*lines: str) -> list[str]:
    return [sys.executable, "-c", "\n".join(("import pathlib, sys", *lines))]


@pytest.fixture
def result(tmp_path: Path) -> Path:
    return tmp_path / "result.json"


def test_all_parts_fit_into_eight_minutes() -> None:
    assert list(SECONDS) == list(PARTS)
    assert sum(SECONDS.values()) <= 8 * 60


def test_result_of_a_part(result: Path) -> None:
    found = run_part(
        program(f"pathlib.Path({str(result)!r}).write_text('{{\"a\": 1}}')"), result, 30
    )
    assert found.keys() == {"seconds", "result"}
    assert found["result"] == {"a": 1}


def test_part_that_fails_says_why_and_keeps_what_it_had(result: Path) -> None:
    work = f"pathlib.Path({str(result)!r}).write_text('[1]')"
    found = run_part(program(work, "raise ValueError('no kernel image')"), result, 30)
    assert found["failed"] == "exit code 1: ValueError: no kernel image"
    assert found["result"] == [1]


def test_part_that_takes_too_long_is_ended_with_its_processes(result: Path, tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    late = f"import pathlib, time; time.sleep(1.5); pathlib.Path({str(alive)!r}).touch()"
    lines = [
        "import subprocess, time",
        f"pathlib.Path({str(result)!r}).write_text('[1]')",
        f"subprocess.Popen([sys.executable, '-c', {late!r}])",
        "time.sleep(60)",
    ]
    found = run_part(program(*lines), result, 0.7)
    assert found["failed"] == "ran over its limit of 0.7 seconds"
    assert found["result"] == [1]
    time.sleep(1.5)
    assert not alive.exists()


@pytest.mark.slow
def test_every_file_is_exported_once(tmp_path: Path) -> None:
    shape = Shape(1, 8, 9)
    names = [name for name, _ in export_all([shape], tmp_path)]
    assert sorted(names) == sorted(path.stem for path in tmp_path.iterdir())
    assert len(names) == len(STEPS) * len(WEIGHTS)
    steps = {Stepper.open(path, device="cpu").file.steps or None for path in tmp_path.iterdir()}
    assert steps == set(STEPS.values())


@pytest.mark.slow
def test_rehearsal_of_a_part(result: Path, tmp_path: Path) -> None:
    module = [sys.executable, "-m", "benchmarks.gpu.parts"]
    found = run_part([*module, "idle", str(result), str(tmp_path), "--rehearse"], result, 300)
    assert "failed" not in found
    assert json.loads(result.read_text("utf-8")) == found["result"]
