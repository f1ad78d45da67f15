"""Which teachers a run has, and the files that it keeps of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rnn_train.distillation.teacher_plan import TeacherPlan
from rnn_train.training.run import Run


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run.create("charlm", tmp_path / "run")
    yield run
    run.close()


def test_no_teachers_by_default() -> None:
    plan = TeacherPlan()
    assert (plan.teachers, plan.files) == (0, [])


def test_given_teachers_come_first() -> None:
    plan = TeacherPlan(given=1, trained=2)
    assert plan.teachers == 3
    assert plan.files == ["teachers/1.onnx", "teachers/2.onnx", "teachers/3.onnx"]


def test_given_files_are_copied(run: Run, tmp_path: Path) -> None:
    originals = [tmp_path / "a.onnx", tmp_path / "b.onnx"]
    for path in originals:
        path.write_text(path.name)
    TeacherPlan(given=2, trained=3).copy(originals, run)
    for path in originals:
        path.unlink()
    copies = {path.name: path.read_text() for path in (run.folder / "teachers").iterdir()}
    assert copies == {"1.onnx": "a.onnx", "2.onnx": "b.onnx"}
