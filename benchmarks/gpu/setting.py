"""Where and how large the parts of `benchmarks.gpu` are, and what they give."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnn_infer.runtime.device import Device
from rnn_infer.runtime.stepper import Stepper

from ..networks import Shape
from .files import File

Result = dict[str, Any]
"""Plain values."""
Part = Iterator[Result]
"""The result so far, each time that there is more."""


@dataclass(frozen=True)
class Setting:
    """Where a part runs, and how large."""

    rehearse: bool
    folder: Path
    """Of the exported files."""
    text: Path | None
    """A text to train on; None: the Python standard library's source."""

    @property
    def device(self) -> Device:
        """The CPU stands in for the GPU in a rehearsal."""
        return "cpu" if self.rehearse else "cuda"

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """The most telling one first."""
        return (Shape(1, 16),) if self.rehearse else (Shape(2, 512), Shape(1, 128))

    @property
    def streams(self) -> tuple[int, ...]:
        """Numbers of streams drawn at once, the most telling first."""
        return (1, 3) if self.rehearse else (1, 1024, 8192, 64)

    def opened(self, file: File, threads: int = 1) -> Stepper:
        """Opens a file on the device."""
        return Stepper.open(file.exported(self.folder), device=self.device, threads=threads)
