"""Trains small recurrent networks with PyTorch and exports them for `rnn_infer`.

The names in `__all__` are public: semantic versioning holds for them. Everything else is private.
Importing this package does not import PyTorch; the first use of a name does.

Examples:
    >>> import rnn_train
    >>> request = rnn_train.CharLMRequest(data=("book.txt",), minutes=10)
    >>> report = rnn_train.train_charlm(request, out="exported/mine.onnx")
    >>> rnn_train.evaluate("exported/mine.onnx", ["unseen.txt"]).nats_per_char
"""

import importlib
from typing import TYPE_CHECKING, Any

from rnn_infer import __version__

if TYPE_CHECKING:
    from rnn_train.api import evaluate, export, resume, train_charlm, train_classifier
    from rnn_train.errors import (
        CellError,
        DataError,
        EvaluationError,
        ExportError,
        PeerError,
        RnnTrainError,
        RunError,
        TrainingError,
    )
    from rnn_train.evaluation.figures import CharLMFigures, ClassifierFigures
    from rnn_train.evaluation.label_figures import LabelFigures
    from rnn_train.models.cells import Cell
    from rnn_train.pipeline import ExportOptions
    from rnn_train.tasks.request import CharLMRequest, ClassifierRequest
    from rnn_train.training_session import TrainingReport

__all__ = [
    "Cell",
    "CellError",
    "CharLMFigures",
    "CharLMRequest",
    "ClassifierFigures",
    "ClassifierRequest",
    "DataError",
    "EvaluationError",
    "ExportError",
    "ExportOptions",
    "LabelFigures",
    "PeerError",
    "RnnTrainError",
    "RunError",
    "TrainingError",
    "TrainingReport",
    "__version__",
    "evaluate",
    "export",
    "resume",
    "train_charlm",
    "train_classifier",
]

_HOMES = {
    "Cell": "models.cells",
    "CharLMFigures": "evaluation.figures",
    "CharLMRequest": "tasks.request",
    "ClassifierFigures": "evaluation.figures",
    "ClassifierRequest": "tasks.request",
    "ExportOptions": "pipeline",
    "LabelFigures": "evaluation.label_figures",
    "TrainingReport": "training_session",
    "evaluate": "api",
    "export": "api",
    "resume": "api",
    "train_charlm": "api",
    "train_classifier": "api",
}


def __getattr__(name: str) -> Any:
    # PyTorch takes a second to import, and `rnn-train --help` does without it (PEP 562).
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_HOMES.get(name, 'errors')}")
    return getattr(module, name)


def __dir__() -> list[str]:
    return list(__all__)
