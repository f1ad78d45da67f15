"""Runs small recurrent networks from one `.onnx` file, on numpy and onnxruntime alone.

>>> import rnn_infer
>>> lm = rnn_infer.CharLM.load("exported/charlm.onnx")
>>> print(lm.generate("ROMEO:", length=200, seed=1))
"""

import os

from rnn_infer.charlm import CharLM, Generation, NextChar, Score
from rnn_infer.classifier import Classifier, LabelProbability, Prediction
from rnn_infer.contract import Metadata
from rnn_infer.errors import (
    DeviceError,
    ModelFileError,
    OptionError,
    RnnInferError,
    RuntimeMissingError,
    SnapshotError,
    UnknownCharacterError,
    WrongKindError,
)
from rnn_infer.pool import PoolStream, StreamPool
from rnn_infer.runtime.device import Device
from rnn_infer.runtime.stepper import Stepper
from rnn_infer.session import Session

__version__ = "0.1.0"
__all__ = [
    "CharLM",
    "Classifier",
    "DeviceError",
    "Generation",
    "LabelProbability",
    "Metadata",
    "ModelFileError",
    "NextChar",
    "OptionError",
    "PoolStream",
    "Prediction",
    "RnnInferError",
    "RuntimeMissingError",
    "Score",
    "Session",
    "SnapshotError",
    "StreamPool",
    "UnknownCharacterError",
    "WrongKindError",
    "load",
]


def load(
    path: str | os.PathLike[str],
    *,
    device: Device = "auto",
    threads: int = 1,
    streams: int | None = None,
    sha256: str | None = None,
) -> CharLM | Classifier:
    """Loads a model file of either kind. Arguments and errors: as `CharLM.load`."""
    stepper = Stepper.open(path, device=device, threads=threads, streams=streams, sha256=sha256)
    return CharLM(stepper) if stepper.file.metadata.kind == "charlm" else Classifier(stepper)
