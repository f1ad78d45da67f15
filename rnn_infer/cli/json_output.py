"""JSON output: one object per line."""

import json
from typing import Any

import click

from rnn_infer.cli.guards import fail
from rnn_infer.predictions import Prediction
from rnn_infer.scoring import Score


def print_json(value: Any) -> None:
    """Print a value as one line of JSON.

    Raises:
        click.ClickException: a number is infinite or NaN.
    """
    try:
        click.echo(json.dumps(value, ensure_ascii=False, allow_nan=False))
    except ValueError as error:
        if isinstance(error, UnicodeError):
            raise
        fail("the result is infinite, which JSON cannot express; leave --json out")


def prediction_row(prediction: Prediction) -> dict[str, Any]:
    """Return the JSON object of a prediction."""
    return {
        "text": prediction.text,
        "label": prediction.label,
        "probability": prediction.probability,
        "top": [each._asdict() for each in prediction.top],
    }


def score_row(score: Score) -> dict[str, Any]:
    """Return the JSON object of a score."""
    return {
        "nats_per_char": score.nats_per_char,
        "bits_per_char": score.bits_per_char,
        "perplexity": score.perplexity,
        "characters": score.characters,
    }
