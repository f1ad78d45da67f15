"""The comparison of other engines with ours, of times and of results."""

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.networks import Shape
from hosts import contestant, speed, speed_files
from hosts.contestant import Drawn
from hosts.speed import EMPTY, Field, Findings, same, summary

STREAMS, COUNT = 3, 8


def test_characters_before_the_first_other_one_are_counted() -> None:
    ours = [[1, 2, 3], [4, 5, 6]]
    assert same(ours, ours) == 6
    assert same([[1, 2, 9], [9, 5, 6]], ours) == 2


def test_the_worst_text_of_a_contestant_counts() -> None:
    found, ours = Findings(), Drawn(1.0, [[1, 2, 3]], 0.0)
    for drawn in ([1, 2, 3], [1, 9, 3], [1, 2, 3]):
        found.compare("tract, ordinary", Drawn(1.0, [drawn], 2e-6), ours)
    assert found.checks == {"tract, ordinary": {"gap": 2e-6, "same": 1, "of": 3}}


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    """A field of one engine, onnxruntime, in three variants, each with its empty graph."""
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setattr(speed_files, "BUILD", tmp_path_factory.mktemp("build"))
        patch.setattr(contestant, "environment", lambda *_: sys.executable)
        patch.setattr(
            speed, "VARIANTS", {"onnxruntime": ("ordinary", "ordinary int8", "plain LSTM")}
        )
        yield Field(Shape(1, 64), "python", stack, timed=True)


def test_each_variant_draws_the_same_text(field: Field) -> None:
    race, found = field.race(STREAMS, COUNT, rounds=2)
    names = [f"onnxruntime, {each}" for each in ("ordinary", "ordinary int8", "plain LSTM")]
    assert list(found.checks) == names
    for name in names:
        check = found.checks[name]
        assert (check["same"], check["of"]) == (STREAMS * COUNT, STREAMS * COUNT)
        assert check["gap"] < 1e-4
    assert found.refused == {}
    empty = [f"onnxruntime, {each}{EMPTY}" for each in ("ordinary", "plain LSTM")]
    assert list(race.samples) == [*names, *empty]
    assert [len(each) for each in race.samples.values()] == [2] * 5
    assert "onnxruntime, plain LSTM: " in "\n".join(summary(race))


def test_wrong_logits_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed_files, "BUILD", tmp_path)
    monkeypatch.setattr(contestant, "environment", lambda *_: sys.executable)
    path = speed_files.prepare(Shape(1, 64), "plain LSTM")
    text = json.loads(path.with_suffix(".json").read_text())
    text["golden"]["logits"][0] += 1.0
    path.with_suffix(".json").write_text(json.dumps(text))
    with (
        contestant.Contestant("onnxruntime", path, "python") as running,
        pytest.raises(contestant.RefusedError, match=r"^wrong, by \d+%$"),
    ):
        running.draw(1, 2)
