"""What the trainer refuses, each with one line that says what to do."""


class RnnTrainError(Exception):
    """Base of all errors raised on purpose by `rnn_train`."""


class DataError(RnnTrainError, ValueError):
    """Training data that cannot be used as it is."""


class CellError(RnnTrainError):
    """A recurrent cell that is not known, or that a user's module does not give as it must."""


class RunError(RnnTrainError):
    """A run folder that cannot be written, resumed or exported."""


class TrainingError(RnnTrainError, ArithmeticError):
    """Training went wrong: the loss is no longer a number."""


class EvaluationError(RnnTrainError):
    """A protocol that the model named cannot be scored under."""


class ExportError(RnnTrainError):
    """A model that cannot be written as a file, or failed its proof."""
