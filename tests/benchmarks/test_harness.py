"""Another version of the project as a contestant."""

from pathlib import Path

import pytest

from benchmarks.harness import work_of_other

TWICE = """
import sys
for _ in range(2):
    with open(sys.argv[1], "a") as units:
        units.write(sys.stdin.readline())
    print("done", flush=True)
sys.stdin.readline()
"""


def test_other_version_works_when_its_turn_comes(tmp_path: Path) -> None:
    work = work_of_other(tmp_path, TWICE, [str(tmp_path / "units")])
    work(3)
    assert (tmp_path / "units").read_text() == "3\n"
    work(5)
    assert (tmp_path / "units").read_text() == "3\n5\n"
    with pytest.raises(RuntimeError, match="its program ended"):
        work(1)
