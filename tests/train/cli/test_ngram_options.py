"""Options that say which n-grams a classifier reads."""

import dataclasses

import click

from rnn_train.cli.ngram_options import NGRAM_OPTIONS, ngram_options
from rnn_train.models.classifier import ClassifierConfig
from rnn_train.models.hashing import MAX_PREFIX
from rnn_train.tasks.request import ClassifierRequest


def options() -> dict[str, click.Parameter]:
    """Return the options of a command that has no others."""
    command = click.command()(ngram_options(lambda **_: None))
    return {str(each.name): each for each in command.params}


def test_each_option_is_a_field() -> None:
    config, request = (
        {each.name for each in dataclasses.fields(kind)}
        for kind in (ClassifierConfig, ClassifierRequest)
    )
    assert set(NGRAM_OPTIONS) <= config
    assert set(options()) == {*NGRAM_OPTIONS, "ngrams_alone"}
    assert "ngrams_alone" in request


def test_longest_word_is_that_of_the_hash() -> None:
    kind = options()["prefix"].type
    assert isinstance(kind, click.IntRange)
    assert kind.max == MAX_PREFIX
