"""The teachers of a character model: given files, and networks that the run trains itself."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rnn_train.files import read_bytes, write_bytes
from rnn_train.training.run import Run


@dataclasses.dataclass(frozen=True)
class TeacherPlan:
    """The teachers of a run, and how the run trains its own."""

    given: int = 0
    """Number of exported models that were given."""
    trained: int = 0
    """Number of networks to train."""
    minutes: float | None = None
    """Minutes to train each network, if the budget is minutes."""
    epochs: float | None = None
    """Epochs of each network, if the budget is epochs."""
    model: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Fields of the `CharLSTMConfig` of each network."""

    @property
    def teachers(self) -> int:
        """Number of all teachers."""
        return self.given + self.trained

    @property
    def files(self) -> list[str]:
        """Paths of the teachers inside the run folder, the given ones first."""
        return [f"teachers/{number}.onnx" for number in range(1, self.teachers + 1)]

    def copy(self, files: Sequence[Path], run: Run) -> None:
        """Copies the given files into the run folder, so that the originals are no longer needed.

        Args:
            files: paths of the given teachers.
            run: the run.

        Raises:
            RunError: the folder cannot be written.
        """
        for name, file in zip(self.files, files, strict=False):
            write_bytes(run.folder / name, read_bytes(file))
