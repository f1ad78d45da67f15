"""The size of a model."""

from torch import nn

from rnn_train.models.charlm import CharLSTM, CharLSTMConfig
from rnn_train.models.parameters import parameter_count


def test_all_parameters_count() -> None:
    assert parameter_count(nn.Linear(3, 5)) == 3 * 5 + 5


def test_buffers_do_not_count() -> None:
    assert parameter_count(nn.BatchNorm1d(4)) == 2 * 4


def test_character_model() -> None:
    model = CharLSTM(CharLSTMConfig(vocabulary=11, embedding=6, hidden=8, layers=1))
    assert parameter_count(model) == 11 * 6 + 4 * 8 * (6 + 8 + 2) + 9 * 11
