"""The errors: what a caller can catch them as."""

import pickle

import pytest

from rnn_infer import errors


@pytest.mark.parametrize(
    ("error", "base"),
    [
        (errors.RuntimeMissingError, ImportError),
        (errors.DeviceError, RuntimeError),
        (errors.ModelFileError, ValueError),
        (errors.WrongKindError, errors.ModelFileError),
        (errors.UnknownCharacterError, ValueError),
        (errors.OptionError, ValueError),
        (errors.TableError, ValueError),
        (errors.SnapshotError, ValueError),
        (errors.PicklingError, pickle.PicklingError),
    ],
)
def test_bases(error: type[Exception], base: type[Exception]) -> None:
    assert issubclass(error, base)
    assert issubclass(error, errors.RnnInferError)
    raised = pickle.loads(pickle.dumps(error("one line")))
    assert type(raised) is error
    assert str(raised) == "one line"
