"""Which form of a character model's file draws fastest on a GPU: found by trying them."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from rnn_infer.errors import RnnInferError
from rnn_infer.runtime.device import Device
from rnn_infer.runtime.stepper import Stepper
from rnn_infer.sampling import Sampling
from rnn_train.progress import Log

STEPS = (None, 1, 8, 32)
"""Steps a call; None: the Loop of an ordinary file."""
_LENGTH = 128
"""Characters that each draws in a round: what `rnn_infer` asks for in one call."""
_ROUNDS = 5
Write = Callable[[Path, int | None], object]
"""Writes a file of so many steps a call."""


def fastest_steps(write: Write, streams: int, log: Log, device: Device = "cuda") -> int | None:
    """The number of steps a call with which so many streams are drawn fastest, of `STEPS`.

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
            except RnnInferError as error:  # it cannot be recorded, or memory is short
                if steps is None:
                    raise
                log(f"{_name(steps)}: {error}")
    for _ in range(_ROUNDS):  # in turns, so that all meet the same conditions
        for steps, stepper in steppers.items():
            seconds[steps] = min(seconds[steps], _draw(stepper, streams))
    for steps, least in seconds.items():
        log(f"{_name(steps)}: {streams * _LENGTH / least:,.0f} characters/s")
    return min(seconds, key=seconds.__getitem__)


def _draw(stepper: Stepper, streams: int) -> float:
    """Seconds that one round takes."""
    uniform = np.random.default_rng(0).random((streams, _LENGTH), np.float32)
    started = time.perf_counter()
    stepper.draw(np.zeros((streams, 1), np.int64), stepper.zeros(streams), uniform, Sampling())
    return time.perf_counter() - started


def _name(steps: int | None) -> str:
    return f"--steps {steps}" if steps else "any number of steps"
