"""Means of teachers: geometric, and by weights that are learnt from another text."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import idea_teachers
from benchmarks.idea_teachers import learnt_weights, write_geometric_mean, write_weighted_mean
from rnn_train.distillation.teachers import open_soft_targets

ROWS = {"sure": [0.75, 0.25], "not": [0.25, 0.75], "half": [0.5, 0.5]}


class Fake:
    vocabulary = ("a", "b")

    def __init__(self, files: list[Path]) -> None:
        self._row = ROWS[files[0].name]

    def write_soft_targets(self, tokens: NDArray[np.int64], path: Path) -> None:
        path.write_bytes(np.tile(np.array(self._row, "<f2"), (len(tokens), 1)).tobytes())


@pytest.fixture(autouse=True)
def _fake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idea_teachers, "Teachers", Fake)


@pytest.mark.parametrize(
    ("weights", "expected"), [([0.5, 0.5], [0.625, 0.375]), ([1.0, 0.0], [0.75, 0.25])]
)
def test_weighted_mean(weights: list[float], expected: list[float], tmp_path: Path) -> None:
    out = tmp_path / "mean.bin"
    write_weighted_mean([Path("sure"), Path("half")], np.zeros(9, np.int64), out, weights)
    assert open_soft_targets(out, 2).tolist() == [expected] * 9


@pytest.mark.parametrize(
    ("teachers", "odds"), [(["sure", "not"], 1), (["sure", "half"], 3**0.5), (["sure", "sure"], 3)]
)
def test_geometric_mean_is_that_of_the_odds(
    teachers: list[str], odds: float, tmp_path: Path
) -> None:
    out = tmp_path / "mean.bin"
    write_geometric_mean([Path(name) for name in teachers], np.zeros(9, np.int64), out)
    first, second = open_soft_targets(out, 2)[4].tolist()
    assert first / second == pytest.approx(odds, rel=2e-3)
    assert first + second == pytest.approx(1, rel=2e-3)


def test_weights_are_those_under_which_the_text_is_likeliest() -> None:
    teachers = [Path("sure"), Path("not")]
    mostly = np.array([1] + 6 * [0] + 4 * [1])  # six of ten characters: between both teachers
    assert learnt_weights(teachers, mostly) == pytest.approx([0.7, 0.3], abs=0.01)
    assert learnt_weights(teachers, np.zeros(20, np.int64))[0] > 0.99
