"""Run small recurrent networks from one `.onnx` file, with numpy and onnxruntime only.

Examples:
    >>> import rnn_infer
    >>> lm = rnn_infer.CharLM.load("exported/charlm.onnx")
    >>> print(lm.generate("ROMEO:", length=200, seed=1))

Public are the names in `__all__`, their documented attributes and methods, and the command
`rnn-infer`. Semantic versioning holds for them: a minor release only adds, a major release may
remove. A name that will be removed warns with `DeprecationWarning` for at least one minor release.
Submodules can be imported, but they are private: they may change in any release.
"""

from rnn_infer.charlm import CharLM
from rnn_infer.classifier import Classifier
from rnn_infer.contract import Metadata
from rnn_infer.errors import (
    DeviceError,
    ModelFileError,
    OptionError,
    PicklingError,
    PoolFullError,
    RnnInferError,
    RuntimeMissingError,
    SnapshotError,
    TableError,
    UnknownCharacterError,
    WrongKindError,
)
from rnn_infer.generation import Generation
from rnn_infer.loading import load
from rnn_infer.pooling.pool import StreamPool
from rnn_infer.pooling.pool_stream import PoolStream
from rnn_infer.predictions import LabelProbability, Prediction
from rnn_infer.runtime.load_options import LoadOptions
from rnn_infer.sampling import Sampling
from rnn_infer.scoring import NextChar, Score
from rnn_infer.session import Session
from rnn_infer.tables.options import TableOptions
from rnn_infer.tables.table import Table

__version__ = "0.1.0"
__all__ = [
    "CharLM",
    "Classifier",
    "DeviceError",
    "Generation",
    "LabelProbability",
    "LoadOptions",
    "Metadata",
    "ModelFileError",
    "NextChar",
    "OptionError",
    "PicklingError",
    "PoolFullError",
    "PoolStream",
    "Prediction",
    "RnnInferError",
    "RuntimeMissingError",
    "Sampling",
    "Score",
    "Session",
    "SnapshotError",
    "StreamPool",
    "Table",
    "TableError",
    "TableOptions",
    "UnknownCharacterError",
    "WrongKindError",
    "load",
]
