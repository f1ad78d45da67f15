"""Each idea is trained and scored; the teachers of a seed are trained once."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import charlm_ideas
from benchmarks.charlm_ideas import IDEAS, STUDENT
from benchmarks.idea_trial import Trial
from rnn_infer import CharLM

TEXT = "".join(chr(97 + i * i % 11) for i in range(3500)) + "z" * 9


@pytest.fixture(scope="module")
def teachers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("teachers")


def call(folder: Path, teachers: Path, monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    (folder / "text.txt").write_text(TEXT, "utf-8")
    sizes = ["--characters", "2500", "--between", "500", "--scored", "700", "--epochs", "1"]
    files = ["--teachers", str(teachers), "--results", str(folder / "result.json")]
    monkeypatch.setattr("sys.argv", ["ideas", str(folder / "text.txt"), *sizes, *files, *words])
    charlm_ideas.main()


@pytest.mark.parametrize("name", IDEAS)
def test_ideas_are_tried(
    name: str, tmp_path: Path, teachers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call(tmp_path, teachers, monkeypatch, "--only", name, "--seed", "0")
    content = json.loads((tmp_path / "result.json").read_text("utf-8"))
    assert 0 < content["mean"][name]["held_out_nats_per_char"] < np.log(11) + 1
    assert content["scored"] == 499, "characters that were not learnt are left out"
    assert content["command"].endswith("--characters 2500 --epochs 1")
    assert content["bases"]["student of their geometric mean"] == STUDENT


def test_teachers_and_their_snapshots_differ(
    tmp_path: Path, teachers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    idea = "student of the geometric mean of two and of a snapshot of each"
    call(tmp_path, teachers, monkeypatch, "--only", idea, "--seed", "0")
    files = sorted(teachers.glob("*/*.onnx"))
    assert {path.stem for path in files} == {"1", "1-snapshot", "2", "2-snapshot"}
    scores = {CharLM.load(path).score(TEXT[:99]).nats_per_char for path in files}
    assert len(scores) == 4


def test_finished_ideas_are_kept(
    tmp_path: Path, teachers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call(tmp_path, teachers, monkeypatch, "--only", "recipe", "--seed", "0")
    before = (tmp_path / "result.json").read_bytes()
    monkeypatch.setattr(Trial, "measure", None)
    call(tmp_path, teachers, monkeypatch, "--only", "recipe", "--seed", "0")
    assert (tmp_path / "result.json").read_bytes() == before
