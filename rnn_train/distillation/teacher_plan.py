"""Who teaches a run: models that were given, and models that the run trains itself."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rnn_train.files import write_bytes
from rnn_train.training.run import Run


@dataclasses.dataclass(frozen=True)
class TeacherPlan:
    """The teachers of a run, and how those that it trains are trained."""

    given: int = 0
    """Number of exported models that were given."""
    trained: int = 0
    """Number of networks to train."""
    minutes: float | None = None
    """Training time of each network, if the budget is minutes."""
    epochs: float | None = None
    """Passes of each network, if the budget is epochs."""
    model: dict[str, Any] = dataclasses.field(default_factory=dict)
    """The model's config of each network."""

    @property
    def teachers(self) -> int:
        """Number of all teachers."""
        return self.given + self.trained

    @property
    def files(self) -> list[str]:
        """Paths of the teachers inside the run folder, the given ones first."""
        return [f"teachers/{number}.onnx" for number in range(1, self.teachers + 1)]

    def copy(self, files: Sequence[Path], run: Run) -> None:
        """Copies the given models into the run folder, which then no longer needs the originals.

        Raises:
            RunError: the folder cannot be written.
        """
        for name, file in zip(self.files, files, strict=False):
            write_bytes(run.folder / name, file.read_bytes())
