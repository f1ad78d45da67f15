"""Contestants in processes of their own, and another version of the project as one."""

from pathlib import Path

import pytest

from benchmarks.harness import Work, apart, work_of_other

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


def counting(path: Path) -> Work:
    """Makes work that fails at the third unit."""
    done = []

    def work(count: int) -> None:
        done.append(count)
        path.write_text(str(sum(done)))
        if sum(done) > 2:
            raise SystemExit(3)

    return work


def test_contestant_apart_works_and_its_end_is_noticed(tmp_path: Path) -> None:
    work = apart(counting, tmp_path / "units")
    work(2)
    assert (tmp_path / "units").read_text() == "2"
    with pytest.raises(RuntimeError, match="the process of counting has ended"):
        work(1)


def test_contestant_that_cannot_start_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="the process of counting has ended"):
        apart(counting, tmp_path, "one argument too many")
