"""Errors of the trainer. Each message is one line that says what is wrong and what to do."""


class RnnTrainError(Exception):
    """Base class of all errors that `rnn_train` raises on purpose."""


class DataError(RnnTrainError, ValueError):
    """Data cannot be read or used."""


class CellError(RnnTrainError):
    """A recurrent cell is unknown, or a user's cell does not follow the interface."""


class RunError(RnnTrainError):
    """A run folder cannot be written, resumed or exported; or a file cannot be written."""


class PeerError(RunError):
    """Another process that trains the same run has ended, or did not start."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM has ended training, and the log has said how to go on."""


class TrainingError(RnnTrainError, ArithmeticError):
    """Training has diverged, or cannot run on the chosen device."""


class EvaluationError(RnnTrainError):
    """A model cannot be evaluated in the way that was asked for."""


class ExportError(RnnTrainError):
    """A model cannot be exported, or its file has failed the proof."""
