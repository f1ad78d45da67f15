"""Every error this package raises on purpose.

    RnnInferError
    ├── RuntimeMissingError   no usable onnxruntime            (also an ImportError)
    ├── DeviceError           the device asked for is not there (also a RuntimeError)
    ├── ModelFileError        a bad model file                  (also a ValueError)
    │   └── WrongKindError    a good file of the other kind
    ├── UnknownCharacterError a character outside the vocabulary (also a ValueError)
    ├── OptionError           an argument out of range          (also a ValueError)
    └── SnapshotError         bytes that are no session of this model (also a ValueError)

Each message is one line that says what is wrong and what to do about it. The
second base class is what a caller who never heard of this package would catch.
"""


class RnnInferError(Exception):
    """Base of all errors raised by `rnn_infer`."""


class RuntimeMissingError(RnnInferError, ImportError):
    """onnxruntime is not installed, or cannot be imported."""


class DeviceError(RnnInferError, RuntimeError):
    """The device asked for cannot run the model."""


class ModelFileError(RnnInferError, ValueError):
    """The file is missing, damaged, foreign, too new, or breaks the format."""


class WrongKindError(ModelFileError):
    """A good model file, but of another kind than the one asked for."""


class UnknownCharacterError(RnnInferError, ValueError):
    """A text holds a character that the model's vocabulary lacks."""


class OptionError(RnnInferError, ValueError):
    """An argument is out of its range."""


class SnapshotError(RnnInferError, ValueError):
    """A session snapshot is damaged, or was taken from another model."""
