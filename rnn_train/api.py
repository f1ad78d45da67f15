"""The public functions of `rnn_train`: train, resume, export, evaluate."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from rnn_infer.runtime.device import Device
from rnn_infer.tables.options import TableOptions
from rnn_infer.text.vocabulary import Unknown
from rnn_train import evaluator, pipeline
from rnn_train.errors import ExportError, RunError
from rnn_train.evaluation.figures import CharLMFigures, ClassifierFigures
from rnn_train.evaluator import Prior
from rnn_train.pipeline import ExportOptions
from rnn_train.progress import Log
from rnn_train.tasks.request import CharLMRequest, ClassifierRequest
from rnn_train.training_session import TrainingReport

StrPath = str | Path
R = TypeVar("R", CharLMRequest, ClassifierRequest)


def _path(name: str, value: Any) -> Path:
    """Returns a path, or raises `RunError` if it is none."""
    if not isinstance(value, str | Path):
        raise RunError(f"{name} must be a str or a Path, got {value!r}")
    return Path(value)


def _request(kind: type[R], request: R | None) -> R:
    """Returns the request, or that of all defaults, or raises `RunError` if it is of another
    kind."""
    if request is None:
        return kind()
    if not isinstance(request, kind):
        raise RunError(f"the request must be a {kind.__name__}, got {request!r:.100}")
    return request


def train_charlm(
    request: CharLMRequest | None = None,
    *,
    out: StrPath = "exported/charlm.onnx",
    run: StrPath | None = None,
    device: Device = "auto",
    threads: int | None = None,
    log: Log = print,
) -> TrainingReport:
    """Trains a character LSTM on a text and exports it.

    Ctrl-C and SIGTERM end training after the current step. The model is exported as it is then, and
    `resume` can go on later.

    Args:
        request: what to train; None: the standard library's source, with all defaults.
        out: path of the exported `.onnx` file.
        run: run folder for checkpoints and metrics; None: the next free `runs/charlm-<n>`.
        device: "auto", "cpu" or "cuda". "auto" takes CUDA if torch has it.
        threads: CPU threads; None: torch's default.
        log: takes one line of text at a time.

    Returns:
        The run folder, the exported file, and the held-out metrics.

    Raises:
        DataError: the data cannot be used.
        RunError: a folder or file cannot be written, or options do not go together.
        TrainingError: training diverged, or the device does not work.
        ExportError: the exported file failed its proof.
    """
    request = _request(CharLMRequest, request)
    folder = None if run is None else _path("run", run)
    return pipeline.train(
        request, _path("out", out), folder=folder, device=device, threads=threads, log=log
    )


def train_classifier(
    request: ClassifierRequest | None = None,
    *,
    out: StrPath = "exported/classifier.onnx",
    run: StrPath | None = None,
    device: Device = "auto",
    threads: int | None = None,
    log: Log = print,
) -> TrainingReport:
    """Trains a recurrent classifier on labelled texts and exports it.

    Args:
        request: what to train; None: the table of surnames by language, with all defaults.
        out: path of the exported `.onnx` file.
        run: run folder for checkpoints and metrics; None: the next free `runs/classifier-<n>`.
        device, threads, log: as for `train_charlm`.

    Returns:
        The run folder, the exported file, and the held-out metrics.

    Raises:
        CellError: the cell of the request cannot be used.
        DataError, RunError, TrainingError, ExportError: as for `train_charlm`.
    """
    request = _request(ClassifierRequest, request)
    folder = None if run is None else _path("run", run)
    return pipeline.train(
        request, _path("out", out), folder=folder, device=device, threads=threads, log=log
    )


def resume(
    run: StrPath,
    *,
    out: StrPath | None = None,
    minutes: float | None = None,
    epochs: float | None = None,
    device: Device | None = None,
    threads: int | None = None,
    log: Log = print,
) -> TrainingReport:
    """Resumes an interrupted run from its last checkpoint, or goes on with a finished one, and
    exports the model.

    Args:
        run: the run folder.
        minutes, epochs: how long to go on with a finished run, on the same data; give one of the
            two. The learning rate warms up again. Both None: an interrupted run keeps its budget.
        out, device, threads: None: as at the start of the run.
        log: takes one line of text at a time.

    Returns:
        The run folder, the exported file, and the held-out metrics.

    Raises:
        RunError: the folder is no run folder, is damaged, or its config or data have changed; or
            a budget is given and the run has not finished.
        TrainingError, ExportError: as for `train_charlm`.
    """
    target = None if out is None else _path("out", out)
    return pipeline.resume(
        _path("run", run),
        target,
        minutes=minutes,
        epochs=epochs,
        device=device,
        threads=threads,
        log=log,
    )


def export(
    run: StrPath, out: StrPath, options: ExportOptions | None = None, *, log: Log = print
) -> dict[str, float]:
    """Exports the weights of a run, or of a float32 file, as another variant for example.

    Args:
        run: the run folder, or a float32 model file.
        out: path of the `.onnx` file, written whole or not at all.
        options: which variant to write; None: float32, any number of steps.
        log: takes one line of text at a time.

    Returns:
        The proof: the largest difference of each comparison. For rounded weights also the loss in
        nats that they cost.

    Raises:
        RunError: there is no whole checkpoint, or `out` cannot be written.
        ExportError: the file failed its proof; nothing was written.
    """
    if options is not None and not isinstance(options, ExportOptions):
        raise ExportError(f"options must be ExportOptions, got {options!r}")
    return pipeline.export(_path("run", run), _path("out", out), options, log=log)


def evaluate(
    target: StrPath,
    data: Sequence[str],
    *,
    dynamic: bool = False,
    coverage: float | None = None,
    prior: Prior = 0.0,
    device: Device = "auto",
    log: Log = print,
    table: TableOptions | None = None,
    unknown: Unknown = "default",
) -> CharLMFigures | ClassifierFigures:
    """Evaluates a run, or an exported file, on data that it never saw.

    Args:
        target: a run folder, or a `.onnx` file.
        data: sources as for training, for the model's kind.
        dynamic: also use dynamic evaluation (Krause et al., 2018); needs a run of a character
            model.
        coverage: of a classifier: also measure its prediction sets for this coverage, 0.9 for
            example.
        prior: of a classifier: as in `rnn_infer.Classifier.classify`; "best" is the one that the
            model's own held-out rows chose.
        device: "auto", "cpu" or "cuda".
        log: takes one line at a time.
        table: how files of labelled texts are read.
        unknown: what an exported file does with characters outside its vocabulary: "default",
            "error", "skip" or "fold".

    Returns:
        The figures of the model's kind.

    Raises:
        DataError: the data cannot be used, or a label is unknown to the model.
        EvaluationError: the protocol does not fit the model.
        rnn_infer.ModelFileError: the file is damaged, or no model file.
    """
    sources = [data] if isinstance(data, str | Path) else data
    if not isinstance(sources, Sequence) or not sources:
        raise RunError(f"data must be a source or a list of sources, got {data!r}")
    sources = [str(_path("a source of data", source)) for source in sources]
    return evaluator.evaluate(
        _path("target", target),
        sources,
        dynamic=dynamic,
        coverage=coverage,
        prior=prior,
        device=device,
        log=log,
        table=table,
        unknown=unknown,
    )
