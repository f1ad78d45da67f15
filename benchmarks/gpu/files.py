"""The exported files that all parts of `benchmarks.gpu` share: each is exported once."""

import multiprocessing
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import torch

from rnn_train.exporting.products import Weights

from .. import networks
from ..networks import Shape

STEPS = {"Loop": None, "1 step": 1, "8 steps": 8, "32 steps": 32}
"""Steps a call: none for an ordinary file, a number for a file of fixed steps."""
WEIGHTS: tuple[Weights, ...] = ("float32", "float16")


@dataclass(frozen=True)
class File:
    """A network as one file."""

    shape: Shape
    steps: int | None
    weights: Weights = "float32"

    def exported(self, folder: Path) -> Path:
        """Returns its path. It is exported if it is not there."""
        shape = self.shape
        path = folder / f"{shape.layers}x{shape.width}-{self.weights}-{self.steps}.onnx"
        if not path.exists():
            networks.write(shape, path, weights=self.weights, steps=self.steps)
        return path


def export_all(shapes: Sequence[Shape], folder: Path) -> Iterator[tuple[str, float]]:
    """Exports all files of some networks, one on each core at a time: the proof of a float16 file
    of many steps takes long on a CPU.

    Yields:
        The name of each file, and its seconds.
    """
    files = [File(shape, n, weights) for shape in shapes for weights in WEIGHTS for n in _LONGEST]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(torch.get_num_threads(), spawn) as pool:
        running = [pool.submit(_export, each, folder) for each in files]
        for each in as_completed(running):
            yield each.result()


_LONGEST = sorted(STEPS.values(), key=lambda steps: -(steps or 0))


def _export(file: File, folder: Path) -> tuple[str, float]:
    torch.set_num_threads(1)
    started = time.monotonic()
    path = file.exported(folder)
    return path.stem, round(time.monotonic() - started, 1)
