"""The command for a GPU: time limits, failures, and what is kept of them."""

import fcntl
import json
import sys
import time
from pathlib import Path

import pytest

from benchmarks.gpu import __main__ as command
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


def test_one_part_keeps_the_results_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = list(PARTS)[:2]
    monkeypatch.setattr(command, "run_part", lambda *_: {"seconds": 1.0, "result": {}})
    for part in (one, other):
        words = ["gpu", "--out", str(tmp_path), "--only", part]
        monkeypatch.setattr(sys, "argv", words)
        command.main()
    assert list(json.loads((tmp_path / "gpu.json").read_bytes())["parts"]) == [one, other]


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


def _is_free(path: Path) -> bool:
    """Return whether nobody has a lock on a file, or only a process that ends within a minute: a
    killed one may need some time on a busy machine."""
    for _ in range(600):
        with path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.1)
            else:
                return True
    return False


def test_part_that_takes_too_long_is_ended_with_its_processes(result: Path, tmp_path: Path) -> None:
    held = tmp_path / "held"
    held.touch()
    # A lock lasts as long as the process that has it.
    child = (
        f"import fcntl, time; file = open({str(held)!r}); fcntl.flock(file, fcntl.LOCK_EX); "
        "print(flush=True); time.sleep(600)"
    )
    lines = [
        "import subprocess, time",
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}], stdout=subprocess.PIPE)",
        "child.stdout.readline()",
        f"pathlib.Path({str(result)!r}).write_text('[1]')",
        "time.sleep(600)",
    ]
    for limit in (1.0, 10.0, 100.0):  # a busy machine needs long to start two processes
        found = run_part(program(*lines), result, limit)
        assert found["failed"] == f"ran over its limit of {limit:g} seconds"
        if "result" in found:
            break
    assert found["result"] == [1]
    assert _is_free(held)


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
