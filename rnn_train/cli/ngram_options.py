"""Options of `classifier` that say which n-grams it reads, and how they are trained."""

from collections.abc import Callable
from typing import Any

import click

from rnn_train.cli.options import FiniteRange

NGRAM_OPTIONS = ("ngrams", "evidence", "bag", "prefix", "frequent_ngrams", "ngram_dropout")
"""Options that are fields of the classifier's config. `ngrams_alone` is one of the request."""
_RATE = FiniteRange(0, 1, max_open=True)


def ngram_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options to a command."""
    options = (
        click.option(
            "--ngrams", type=click.IntRange(1, 8), help="Longest n-gram that has its own vector."
        ),
        click.option(
            "--evidence",
            type=click.IntRange(1, 8),
            help="Longest n-gram whose naive-Bayes weight of evidence (log-count ratio) is read. "
            "1: none.",
        ),
        click.option(
            "--bag/--no-bag",
            default=None,
            help="Let the n-grams' vectors pass the recurrent layers by, and read their mean.",
        ),
        click.option(
            "--prefix",
            type=click.IntRange(0, 8),
            metavar="CHARACTERS",
            help="Give the word so far its own vector, too; of longer words, the last characters. "
            "0: none.",
        ),
        click.option(
            "--frequent-ngrams",
            type=click.IntRange(0, 1_000_000),
            metavar="NUMBER",
            help="Give so many n-grams their own vector, the most frequent ones. 0: one for each "
            "entry of a hash table.",
        ),
        click.option(
            "--ngrams-alone",
            type=_RATE,
            metavar="SHARE",
            help="Share of the run that trains the n-grams' vectors alone, before the whole "
            "network; it takes --bag.",
        ),
        click.option(
            "--ngram-dropout",
            type=_RATE,
            help="Share of the n-grams' vectors that training leaves out.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command
