"""The variants of a model file, and which of them draws fastest on a GPU, found by measuring."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnn_infer.errors import RnnInferError
from rnn_infer.runtime.device import Device
from rnn_infer.runtime.stepper import Stepper
from rnn_infer.sampling import Sampling
from rnn_train.exporting.products import Weights
from rnn_train.progress import Log

STEPS = (None, 1, 8, 32)
"""Steps a call that `fastest_steps` measures. None: the Loop of an ordinary file."""
_LENGTH = 128
"""Characters that each stream draws in a round: as many as `rnn_infer` asks for in one call."""
_ROUNDS = 5
Write = Callable[[Path, int | None], object]
"""Writes a file with a number of steps a call, or None for any number."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """How a model is written as a file: for the same model, all variants give the same text."""

    step_only: bool = False
    """Leave generation out, for hosts that take only tokens and state."""
    steps: int | None = None
    """The exact number of tokens in a call, without control flow, so that a CUDA graph can
    capture it. None: any number."""
    weights: Weights = "float32"
    """Number type of the large matrices: int8 for the CPU, float16 for CUDA."""
    without_if: bool = False
    """Draw without If nodes, for engines that do not run them. It is a little slower."""


def fastest_steps(write: Write, streams: int, log: Log, device: Device = "cuda") -> int | None:
    """Find the number of steps a call that draws fastest.

    Args:
        write: writes each candidate file.
        streams: how many streams are drawn at once.
        log: gets a line for each candidate.
        device: where they run.

    Returns:
        One of `STEPS`.

    Raises:
        RnnInferError: an ordinary file does not work on `device`.
    """
    steppers: dict[int | None, Stepper] = {}
    seconds: dict[int | None, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for steps in STEPS:
            path = Path(folder) / "model.onnx"
            write(path, steps)
            try:
                stepper = Stepper.open(path, device=device)
                seconds[steps] = _draw(stepper, streams)
                steppers[steps] = stepper
            except RnnInferError as error:  # capture failed, or memory is short
                if steps is None:
                    raise
                log(f"{_name(steps)}: {error}")
    for _ in range(_ROUNDS):  # in turns, so that all candidates meet the same conditions
        for steps, stepper in steppers.items():
            seconds[steps] = min(seconds[steps], _draw(stepper, streams))
    for steps, least in seconds.items():
        log(f"{_name(steps)}: {streams * _LENGTH / least:,.0f} characters/s")
    return min(seconds, key=seconds.__getitem__)


def _draw(stepper: Stepper, streams: int) -> float:
    """Draw one round, and return how many seconds it takes."""
    uniform = np.random.default_rng(0).random((streams, _LENGTH), np.float32)
    started = time.perf_counter()
    stepper.draw(np.zeros((streams, 1), np.int64), stepper.zeros(streams), uniform, Sampling())
    return time.perf_counter() - started


def _name(steps: int | None) -> str:
    return f"--steps {steps}" if steps else "any number of steps"
