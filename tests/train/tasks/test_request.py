"""Requests: defaults, and nothing that can change after they are made."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest

from rnn_train.errors import RunError
from rnn_train.tasks.request import CharLMRequest, ClassifierRequest, Request

KINDS: list[type[CharLMRequest | ClassifierRequest]] = [CharLMRequest, ClassifierRequest]


@pytest.mark.parametrize("kind", KINDS)
def test_defaults_leave_the_choice_to_the_recipe(kind: type[Request]) -> None:
    request = kind()
    assert (request.data, request.val_data, request.val_fraction) == ((), None, None)
    assert (request.minutes, request.epochs, request.seed) == (None, None, 0)
    assert (request.ensemble, request.temperature) == (0, 1.0)
    assert (dict(request.model), dict(request.training)) == ({}, {})


def test_defaults_of_each_kind() -> None:
    charlm, classifier = CharLMRequest(), ClassifierRequest()
    assert (charlm.kind, classifier.kind) == ("charlm", "classifier")
    assert (charlm.min_count, charlm.init_from, charlm.teachers) == (1, None, ())
    assert classifier.balance is None
    assert (charlm.separator, charlm.documents, charlm.learn_held_out) == (None, None, True)
    assert classifier.fraction == 0.1
    assert ClassifierRequest(val_fraction=0.0).fraction == 0


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"documents": "word"}, "documents must be line or file, got 'word'"),
        ({"separator": 7}, "separator must be a text, got 7"),
        ({"separator": "", "documents": "file"}, "drop --separator or --documents"),
        ({"val_fraction": 0.6}, "val_fraction must be from 0 to 0.5, got 0.6"),
    ],
)
def test_fields_of_a_text(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(RunError, match=message):
        CharLMRequest(**fields)


@pytest.mark.parametrize("kind", KINDS)
def test_request_is_frozen_and_takes_keywords_only(kind: type[Request]) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        kind().seed = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        kind(("a.txt",))  # type: ignore[call-arg]


def test_requests_do_not_share_mappings() -> None:
    assert CharLMRequest().model is not CharLMRequest().model


@pytest.mark.parametrize("data", ["book.txt", ["book.txt"], ("book.txt",)])
def test_one_source_or_a_list_of_them(data: Any) -> None:
    assert CharLMRequest(data=data).data == ("book.txt",)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_length": 0}, "max_length must be 1 or more, got 0"),
        ({"temperature": -1.0}, "temperature must be from 0.01 to 100, got -1.0"),
        ({"temperature": math.nan}, "temperature must be from 0.01 to 100, got nan"),
        ({"seed": -1}, "seed must be from 0 to"),
        ({"ensemble": -1}, "ensemble must be from 0 to 100"),
        ({"minutes": 1.0, "epochs": 1.0}, "minutes and epochs exclude each other"),
        ({"epochs": -1.0}, "epochs must be a finite number above 0, got -1.0"),
        ({"epochs": math.nan}, "epochs must be a finite number above 0, got nan"),
        ({"minutes": math.inf}, "minutes must be a finite number above 0, got inf"),
        ({"val_fraction": math.nan}, "val_fraction must be from 0 to 0.5, got nan"),
    ],
)
def test_number_out_of_range(options: dict[str, float], message: str) -> None:
    with pytest.raises(RunError, match=message):
        ClassifierRequest(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"data": 5}, "data must be a source or a list of sources, got 5"),
        ({"data": [5]}, "a source of data must be a str or a Path, got 5"),
        ({"val_data": 5}, "a source of val_data must be a str or a Path"),
        ({"val_data": "a", "val_fraction": 0.1}, "drop one of them"),
        ({"val_fraction": "0.1"}, "val_fraction must be a number"),
        ({"seed": 1.5}, "seed must be a number"),
        ({"ensemble": True}, "ensemble must be a number"),
        ({"temperature": "1"}, "temperature must be a number"),
        ({"model": 3}, "model must be a mapping"),
        ({"training": ["batch"]}, "training must be a mapping"),
        ({"table": {"delimiter": ";"}}, "table must be TableOptions"),
        ({"balance": 2}, "balance must be from 0 to 1"),
    ],
)
def test_wrong_types(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(RunError, match=said):
        ClassifierRequest(**fields)


def test_files_of_a_character_model() -> None:
    """A str is one teacher, not one for each of its letters."""
    request = CharLMRequest(teachers="one.onnx", init_from="runs/a")  # type: ignore[arg-type]
    assert (request.teachers, request.init_from) == ((Path("one.onnx"),), Path("runs/a"))
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"teachers": 5}, "teachers must be a source or a list"),
        ({"init_from": 5}, "a source of init_from must be a str or a Path"),
        ({"learn_held_out": "no"}, "learn_held_out must be True or False"),
        ({"min_count": 0}, "min_count must be 1 or more"),
    ]
    for fields, said in wrong:
        with pytest.raises(RunError, match=said):
            CharLMRequest(**fields)


def test_paths_are_sources() -> None:
    fields: dict[str, Any] = {"data": [Path("a"), "b"], "val_data": Path("c")}
    request = ClassifierRequest(**fields)
    assert (request.data, request.val_data) == (("a", "b"), "c")
