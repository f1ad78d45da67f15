"""JSON output: one object per line."""

import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from json.encoder import encode_basestring
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
    row = {
        "text": prediction.text,
        "label": prediction.label,
        "probability": prediction.probability if prediction.labels else None,
        "top": [each._asdict() for each in prediction.top],
        "known": prediction.known,
    }
    return row | ({"reason": prediction.reason} if prediction.reason else {})


def prediction_lines(
    predictions: Iterable[Prediction], more: Sequence[str] = (), sets: bool = False
) -> str:
    """Return one line of JSON per prediction: `prediction_row`, several times faster.

    Tables can have millions of rows. `json.dumps` would take as long as the predictions.

    Args:
        predictions: [rows].
        more: [rows] or empty: further members of each object, each with a comma before it.
        sets: the labels are a prediction set, and get a member of their own.
    """
    lines = []
    for (text, labels, probabilities, abstains, reason, known), own in zip(
        predictions, more or itertools.repeat(""), strict=False
    ):
        if reason:
            lines.append(
                f'{{"text": {encode_basestring(text)}, "label": null, "probability": null, '
                f'"top": [], "known": {known!r}, "reason": {encode_basestring(reason)}{own}}}'
            )
            continue
        # repr is what json.dumps writes for a float. A probability is never infinite or NaN.
        numbers = [repr(probability) for probability in probabilities]
        pairs = "}, ".join([_pair[label] + number for label, number in zip(labels, numbers)])  # noqa: B905  (it is slower with `strict`)
        of_set = f', "labels": [{", ".join(map(_quoted.__getitem__, labels))}]' if sets else ""
        lines.append(
            f'{{"text": {encode_basestring(text)}, "label": '
            f'{"null" if abstains else _quoted[labels[0]]}, "probability": {numbers[0]}, '
            f'"top": [{pairs}}}], "known": {known!r}{of_set}{own}}}'
        )
    return "\n".join(lines)


class _Cache(dict[str, str]):
    """What a function makes of each label. A file has at most `MAX_LABELS` labels."""

    def __init__(self, make: Callable[[str], str]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, label: str) -> str:
        made = self[label] = self._make(label)
        return made


_quoted = _Cache(encode_basestring)
_pair = _Cache(lambda label: f'{{"label": {encode_basestring(label)}, "probability": ')


def score_row(score: Score) -> dict[str, Any]:
    """Return the JSON object of a score."""
    return {
        "nats_per_char": score.nats_per_char,
        "bits_per_char": score.bits_per_char,
        "perplexity": score.perplexity,
        "characters": score.characters,
    }
