"""Errors of the trainer."""

import inspect

import pytest

from rnn_train import errors
from rnn_train.errors import DataError, RnnTrainError, TrainingError

ALL = [each for _, each in inspect.getmembers(errors, inspect.isclass)]


@pytest.mark.parametrize("error", ALL, ids=lambda each: each.__name__)
def test_one_base_class_catches_all(error: type[Exception]) -> None:
    assert issubclass(error, RnnTrainError)
    assert error.__doc__


def test_errors_also_have_the_usual_base_classes() -> None:
    assert issubclass(DataError, ValueError)
    assert issubclass(TrainingError, ArithmeticError)
