"""The former place of `rnn_train.Cell`: it still works, and warns."""

import importlib
import sys

import pytest

import rnn_train
from rnn_train.models import cells as present


def test_import_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "rnn_train.cells", raising=False)
    with pytest.warns(DeprecationWarning, match="import Cell from rnn_train"):
        importlib.import_module("rnn_train.cells")


def test_names_are_those_of_the_present_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "rnn_train.cells", raising=False)
    with pytest.warns(DeprecationWarning, match="is deprecated"):
        former = importlib.import_module("rnn_train.cells")
    assert former.Cell is rnn_train.Cell
    for name in former.__all__:
        assert getattr(former, name) is getattr(present, name)
