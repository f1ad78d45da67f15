"""The public functions of `rnn_train`: train, resume, export, evaluate."""

from collections.abc import Sequence
from pathlib import Path

from rnn_infer.runtime.device import Device
from rnn_train import evaluator, pipeline
from rnn_train.evaluation.figures import CharLMFigures, ClassifierFigures
from rnn_train.pipeline import ExportOptions
from rnn_train.progress import Log
from rnn_train.tasks.request import CharLMRequest, ClassifierRequest
from rnn_train.training_session import TrainingReport

StrPath = str | Path


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

    Ctrl-C and SIGTERM end training after the current step: the model is exported as it stands, and
    `resume` goes on.

    Args:
        request: what to train; None: the standard library's source, with all defaults.
        out: path of the exported `.onnx` file.
        run: run folder for checkpoints and metrics; None: the next free `runs/charlm-<n>`.
        device: "auto", "cpu" or "cuda". "auto" takes CUDA if torch has it.
        threads: CPU threads; None: torch's default.
        log: takes one line of text at a time.

    Raises:
        DataError: the data cannot be used.
        RunError: a folder or file cannot be written, or options do not go together.
        TrainingError: the loss diverged, or the device is not there.
        ExportError: the exported file failed its proof.
    """
    request = CharLMRequest() if request is None else request
    folder = None if run is None else Path(run)
    return pipeline.train(
        request, Path(out), folder=folder, device=device, threads=threads, log=log
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

    Raises:
        CellError: the cell that was asked for cannot be used.
        DataError, RunError, TrainingError, ExportError: as for `train_charlm`.
    """
    request = ClassifierRequest() if request is None else request
    folder = None if run is None else Path(run)
    return pipeline.train(
        request, Path(out), folder=folder, device=device, threads=threads, log=log
    )


def resume(
    run: StrPath,
    *,
    out: StrPath | None = None,
    device: Device | None = None,
    threads: int | None = None,
    log: Log = print,
) -> TrainingReport:
    """Resumes an interrupted run from its last checkpoint and exports the model.

    Args:
        run: the run folder.
        out, device, threads: None: as the run began.
        log: takes one line of text at a time.

    Raises:
        RunError: the folder is no run, is damaged, or its config or data have changed.
        TrainingError, ExportError: as for `train_charlm`.
    """
    target = None if out is None else Path(out)
    return pipeline.resume(Path(run), target, device=device, threads=threads, log=log)


def export(
    run: StrPath, out: StrPath, options: ExportOptions | None = None, *, log: Log = print
) -> dict[str, float]:
    """Exports a run's weights again, as another variant for example.

    Args:
        run: the run folder.
        out: path of the `.onnx` file, written whole or not at all.
        options: which variant to write; None: float32, any number of steps.
        log: takes one line of text at a time.

    Returns:
        The proof: the largest difference found in each comparison, and for rounded weights what
        they cost in nats.

    Raises:
        RunError: there is no whole checkpoint, or `out` cannot be written.
        ExportError: the file failed its proof; nothing was written.
    """
    return pipeline.export(Path(run), Path(out), options, log=log)


def evaluate(
    target: StrPath,
    data: Sequence[str],
    *,
    dynamic: bool = False,
    device: Device = "auto",
    log: Log = print,
) -> CharLMFigures | ClassifierFigures:
    """Evaluates a run, or an exported file, on data that it never saw.

    Args:
        target: a run folder, or a `.onnx` file.
        data: sources as for training, for the model's kind.
        dynamic: also use dynamic evaluation (Krause et al., 2018); needs a run of a character
            model.
        device: "auto", "cpu" or "cuda".
        log: takes warnings.

    Raises:
        DataError: the data cannot be used, or a label is unknown to the model.
        EvaluationError: the protocol does not fit the model.
        rnn_infer.ModelFileError: the file is damaged, or no model file.
    """
    return evaluator.evaluate(Path(target), data, dynamic=dynamic, device=device, log=log)
