"""The share of a held-out text that stands in the training text too, word for word."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rnn_train.tasks.charlm.task import CharLMTask

Create = Callable[..., CharLMTask]
LINES = [
    "".join(chr(97 + i) for i in row)
    for row in np.random.default_rng(0).integers(26, size=(60, 99))
]


@pytest.mark.parametrize("documents", [None, "line"])
@pytest.mark.parametrize(("known", "share"), [(0, 0.0), (10, 0.5), (20, 1.0)])
def test_share(
    create: Create, tmp_path: Path, known: int, share: float, documents: str | None
) -> None:
    """The known lines stand together in both files, and the others are new."""
    (tmp_path / "text.txt").write_text("\n".join(LINES[:40]) + "\n")
    held = LINES[10 : 10 + known] + LINES[40 : 60 - known]
    (tmp_path / "held.txt").write_text("\n".join(held) + "\n")
    task = create(tmp_path / "text.txt", val_data=str(tmp_path / "held.txt"), documents=documents)
    found = task.measure(task.model.eval()).metrics.get("held_out_share_trained", 0.0)
    assert found == pytest.approx(share, abs=0.07)
    warned = [each for each in task.warnings if "stands in the training data too" in each]
    assert len(warned) == (known > 0)


def test_part_that_a_run_holds_out_itself_is_not_looked_for(create: Create, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("\n".join(LINES))
    task = create(tmp_path / "text.txt", val_fraction=0.3)
    assert "held_out_share_trained" not in task.measure(task.model.eval()).metrics
