"""Time limits, and environments that follow their pins."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hosts import environments, run
from hosts.engines import ENGINES, Engine
from hosts.files import FILES


def test_slow_command_is_ended_with_its_children() -> None:
    program = "import subprocess; subprocess.run(['sleep', '60'])"
    started = time.monotonic()
    assert run.output([sys.executable, "-c", program], 0.5) is None
    assert time.monotonic() - started < 20
    assert run.output([sys.executable, "-c", "print(7)"], 60) == "7\n"


def test_slow_engine_has_a_row_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "environment", lambda *_: "python")
    monkeypatch.setattr(run, "output", lambda *_: None)
    assert run.outcome("tract", "charlm", "python", 3.0) == {"slow": 3}
    monkeypatch.setattr(run, "ENGINE_SECONDS", 0)
    assert run.results_of("tract", "python") == {file: {"not_run": 0} for file in FILES}
    chosen = [file for file in FILES if file.startswith("classifier")]
    assert list(run.results_of("tract", "python", "classifier")) == chosen


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("", {"ended": True}),
        ('noise\nRESULT {"refused": "x"}\n', {"refused": "x"}),
        (
            'RESULT {"difference": 1.234e-6, "batch": 0.0, "seconds": [3.0, 1.0, 2.0]}',
            {"difference": 1.2e-6, "batch": 0.0, "seconds": 2.0},
        ),
    ],
)
def test_outcome(printed: str, expected: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "environment", lambda *_: "python")
    monkeypatch.setattr(run, "output", lambda *_: printed)
    assert run.outcome("tract", "charlm", "python") == expected


def test_environment_follows_its_pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[Any]] = []
    failing = False

    def called(command: list[Any], **_: object) -> None:
        commands.append(command)
        if failing and "pip" in command:
            raise subprocess.CalledProcessError(1, command)
        if "venv" in command:
            command[-1].mkdir()

    monkeypatch.setattr(subprocess, "run", called)
    monkeypatch.setattr(environments, "BUILD", tmp_path)
    first = environments.environment("tract", "python")
    assert [each[2] for each in commands] == ["venv", "pip"]
    assert environments.environment("tract", "python") == first
    assert len(commands) == 2
    monkeypatch.setitem(ENGINES, "tract", Engine("with_tract", ("tract==9",)))
    second = environments.environment("tract", "python")
    assert second != first
    assert commands[-1][-1] == "tract==9"

    # An installation that failed is made again.
    failing = True
    with pytest.raises(environments.InstallError, match="tract: "):
        environments.environment("tract", "python3")
    failing = False
    before = len(commands)
    environments.environment("tract", "python3")
    assert len(commands) == before + 2
