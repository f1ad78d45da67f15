"""A contestant in a process of its own: its answers, and what is not one."""

import sys
from pathlib import Path

import pytest

from hosts import contestant
from hosts.contestant import Contestant, Drawn, RefusedError

RACER = """
import sys
print("an engine prints this")
for line in sys.stdin:
    rows, count = map(int, line.split())
    if rows == 2:
        print('ANSWER {"refused": "wrong, by 21%"}', flush=True)
    elif rows == 3:
        sys.exit(1)
    else:
        print('ANSWER {"seconds": 0.5, "drawn": [[1, 2]], "gap": null}', flush=True)
"""


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Contestant:
    (tmp_path / "racer.py").write_text(RACER)
    monkeypatch.setattr(contestant, "__file__", str(tmp_path / "contestant.py"))
    monkeypatch.setattr(contestant, "environment", lambda *_: sys.executable)
    return Contestant("tract", tmp_path / "model.onnx", "python")


def test_answers(running: Contestant) -> None:
    with running:
        assert running.draw(1, 2) == Drawn(0.5, [[1, 2]], None)
        with pytest.raises(RefusedError, match="^wrong, by 21%$"):
            running.draw(2, 2)
        assert running.draw(1, 2).seconds == 0.5
        for _ in range(2):
            with pytest.raises(RefusedError, match="the process ended, or took more"):
                running.draw(3, 2)


def test_slow_answer_ends_the_process(
    running: Contestant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "racer.py").write_text("import time; time.sleep(60)")
    monkeypatch.setattr(contestant, "SECONDS", 0.2)
    with (
        running,  # made before the program was replaced
        Contestant("tract", tmp_path / "model.onnx", "python") as slow,
        pytest.raises(RefusedError, match="the process ended, or took more"),
    ):
        slow.draw(1, 2)
