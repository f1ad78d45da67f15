"""The arithmetic mean is that of probabilities; its weights are learnt from another text."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import idea_teachers
from benchmarks.idea_teachers import learnt_weights, write_arithmetic_mean
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
    ("teachers", "weights", "expected"),
    [
        (["sure", "not"], None, [0.5, 0.5]),
        (["sure", "half"], None, [0.625, 0.375]),
        (["sure", "half"], [1.0, 0.0], [0.75, 0.25]),
    ],
)
def test_mean_is_of_probabilities(
    teachers: list[str], weights: list[float] | None, expected: list[float], tmp_path: Path
) -> None:
    out = tmp_path / "mean.bin"
    files = [Path(name) for name in teachers]
    write_arithmetic_mean(files, np.zeros(9, np.int64), out, weights)
    assert open_soft_targets(out, 2).tolist() == [expected] * 9


def test_weights_are_those_under_which_the_text_is_likeliest() -> None:
    teachers = [Path("sure"), Path("not")]
    mostly = np.array([1] + 6 * [0] + 4 * [1])  # six of ten characters: between both teachers
    assert learnt_weights(teachers, mostly) == pytest.approx([0.7, 0.3], abs=0.01)
    assert learnt_weights(teachers, np.zeros(20, np.int64))[0] > 0.99
