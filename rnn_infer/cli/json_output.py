"""JSON output: one object per line."""

import json
from collections.abc import Iterable
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any

import click

from rnn_infer.cli.guards import fail
from rnn_infer.contract import MAX_LABELS
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


def prediction_lines(predictions: Iterable[Prediction]) -> str:
    """Return one line of JSON per prediction: `prediction_row`, several times faster.

    Tables can have millions of rows. `json.dumps` would take as long as the predictions.
    """
    lines = []
    for text, labels, probabilities, abstains in predictions:
        quoted = [_quoted_label(label) for label in labels]
        # repr is what json.dumps writes for a float. A probability is never infinite or NaN.
        pairs = ", ".join(
            [
                f'{{"label": {label}, "probability": {probability!r}}}'
                for label, probability in zip(quoted, probabilities, strict=True)
            ]
        )
        lines.append(
            f'{{"text": {encode_basestring(text)}, "label": {"null" if abstains else quoted[0]}, '
            f'"probability": {probabilities[0]!r}, "top": [{pairs}]}}'
        )
    return "\n".join(lines)


@lru_cache(maxsize=MAX_LABELS)
def _quoted_label(label: str) -> str:
    return str(encode_basestring(label))


def score_row(score: Score) -> dict[str, Any]:
    """Return the JSON object of a score."""
    return {
        "nats_per_char": score.nats_per_char,
        "bits_per_char": score.bits_per_char,
        "perplexity": score.perplexity,
        "characters": score.characters,
    }
