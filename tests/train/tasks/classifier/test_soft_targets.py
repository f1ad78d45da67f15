"""Soft targets of a run's training rows, in a folder."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rnn_train.distillation import row_targets
from rnn_train.errors import RunError
from rnn_train.tasks.classifier.soft_targets import SoftTargets
from rnn_train.tasks.classifier.task import ClassifierTask
from rnn_train.training.run import Run


@pytest.fixture
def soft(run: Run, create: Callable[..., ClassifierTask], table: Path) -> SoftTargets:
    return SoftTargets(run, create(table).data.train, 2)


def test_written_and_opened(
    soft: SoftTargets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_targets, "BLOCK", 20)
    assert not soft.exist(tmp_path)
    lengths = [rows.lengths for _, rows in soft.blocks()]
    assert max(map(len, lengths)) == 10
    assert np.concatenate(lengths).tolist() == soft.rows.lengths.tolist()
    each = [np.full((len(length), 2), i, np.float32) for i, length in enumerate(lengths)]
    soft.write(tmp_path, iter(each), 5.0)
    assert soft.exist(tmp_path)
    assert 5 <= soft.seconds(tmp_path) < 6
    assert (soft.open(tmp_path, check=True) == np.concatenate(each)).all()
    soft.remove(tmp_path)
    assert not soft.exist(tmp_path)
    assert not list(tmp_path.glob("targets.*"))


def test_changed_since(soft: SoftTargets, tmp_path: Path) -> None:
    rows = len(soft.rows)
    soft.write(tmp_path, iter([np.zeros((rows, 2), np.float32)]), 0.0)
    path = tmp_path / "targets.bin"
    path.write_bytes(b"x" * path.stat().st_size)
    soft.open(tmp_path)
    with pytest.raises(RunError, match="is damaged"):
        soft.open(tmp_path, check=True)
    (soft.run.folder / "rows.bin").write_bytes(b"other rows")
    with pytest.raises(RunError, match="changed since"):
        soft.open(tmp_path)
