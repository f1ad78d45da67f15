"""Soft targets of rows in a file."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from rnn_train.distillation import row_targets
from rnn_train.distillation.row_targets import (
    block_rows,
    check_room,
    open_targets,
    size_of,
    write_targets,
)
from rnn_train.errors import RunError

Targets = NDArray[np.float32]


@pytest.fixture
def targets() -> Targets:
    """Of 50 rows and 3 labels."""
    return np.random.default_rng(0).dirichlet(np.ones(3), 50).astype(np.float32)


@pytest.mark.parametrize(("exact", "tolerance", "size"), [(1 << 24, 0, 600), (149, 1e-3, 300)])
def test_written_in_blocks(
    targets: Targets,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    exact: int,
    tolerance: float,
    size: int,
) -> None:
    monkeypatch.setattr(row_targets, "_EXACT", exact)
    path = tmp_path / "targets.bin"
    digest = write_targets(path, 50, 3, (targets[i : i + 7] for i in range(0, 50, 7)))
    assert path.stat().st_size == size_of(50, 3) == size
    found = open_targets(path, 50, 3, digest)
    np.testing.assert_allclose(found.astype(np.float32), targets, atol=tolerance)


def test_damage(targets: Targets, tmp_path: Path) -> None:
    path = tmp_path / "targets.bin"
    digest = write_targets(path, 50, 3, [targets])
    path.write_bytes(path.read_bytes()[:-4] + b"good")
    with pytest.raises(RunError, match=r"targets\.bin is damaged .*; start a new run"):
        open_targets(path, 50, 3, digest)
    path.unlink()
    with pytest.raises(RunError, match=r"cannot read .*targets\.bin"):
        open_targets(path, 50, 3, digest)


def test_full_disk(tmp_path: Path, targets: Targets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=599))
    with pytest.raises(RunError, match=r"soft targets take .* GB are free; give a --run folder"):
        write_targets(tmp_path / "targets.bin", 50, 3, [targets])
    assert list(tmp_path.iterdir()) == []
    check_room(tmp_path, 599)


def test_blocks_have_a_row_at_least() -> None:
    assert block_rows(176) * 176 <= row_targets.BLOCK
    assert block_rows(10 * row_targets.BLOCK) == 1
