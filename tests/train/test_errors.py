"""The errors of `rnn_train`: one base, and the built-in kind that each of them is."""

import inspect

import pytest

from rnn_train import errors
from rnn_train.errors import DataError, RnnTrainError, TrainingError

KINDS = [
    kind
    for kind in vars(errors).values()
    if inspect.isclass(kind) and issubclass(kind, Exception) and kind is not RnnTrainError
]


@pytest.mark.parametrize("kind", KINDS)
def test_one_handler_catches_all(kind: type[Exception]) -> None:
    with pytest.raises(RnnTrainError, match="what is wrong"):
        raise kind("what is wrong")
    assert inspect.getdoc(kind)


def test_number_of_kinds() -> None:
    assert len(KINDS) == 7


def test_built_in_kinds() -> None:
    """Callers that do not know `rnn_train` may catch these."""
    assert issubclass(DataError, ValueError)
    assert issubclass(TrainingError, ArithmeticError)
