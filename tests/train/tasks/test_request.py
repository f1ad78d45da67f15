"""Requests: defaults, and nothing that can change after they are made."""

import dataclasses

import pytest

from rnn_train.tasks.request import CharLMRequest, ClassifierRequest, Request

KINDS: list[type[CharLMRequest | ClassifierRequest]] = [CharLMRequest, ClassifierRequest]


@pytest.mark.parametrize("kind", KINDS)
def test_defaults_leave_the_choice_to_the_recipe(kind: type[Request]) -> None:
    request = kind()
    assert (request.data, request.val_data, request.val_fraction) == ((), None, 0.1)
    assert (request.minutes, request.epochs, request.seed) == (None, None, 0)
    assert (request.ensemble, request.temperature) == (0, 1.0)
    assert (dict(request.model), dict(request.training)) == ({}, {})


def test_defaults_of_each_kind() -> None:
    charlm, classifier = CharLMRequest(), ClassifierRequest()
    assert (charlm.kind, classifier.kind) == ("charlm", "classifier")
    assert (charlm.min_count, charlm.init_from, charlm.teachers) == (1, None, ())
    assert classifier.balance is None


@pytest.mark.parametrize("kind", KINDS)
def test_request_is_frozen_and_takes_keywords_only(kind: type[Request]) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        kind().seed = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        kind(("a.txt",))  # type: ignore[call-arg]


def test_requests_do_not_share_mappings() -> None:
    assert CharLMRequest().model is not CharLMRequest().model
