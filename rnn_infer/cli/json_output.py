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


def prediction_heads(predictions: Sequence[Prediction], sets: bool = False) -> list[str]:
    """Return the JSON object of each prediction without its last brace: `prediction_row`, several
    times faster.

    Tables can have millions of rows. `json.dumps` would take as long as the predictions.

    Args:
        predictions: [rows].
        sets: the labels are a prediction set, and get a member of their own.
    """
    plain = [not (each.reason or each.abstains or sets) for each in predictions]
    if not all(plain):
        heads = iter(prediction_heads([p for p, is_plain in zip(predictions, plain) if is_plain]))  # noqa: B905
        return [
            next(heads) if is_plain else _head(prediction, sets)
            for prediction, is_plain in zip(predictions, plain, strict=True)
        ]
    if not predictions:
        return []
    texts, labels, probabilities, _, _, known = zip(*predictions, strict=True)
    # Column by column: what is written for each label is put together once.
    columns: list[Iterable[str]] = [itertools.repeat('{"text": '), map(encode_basestring, texts)]
    # repr is what json.dumps writes for a float. A probability is never infinite or NaN.
    numbers = [list(map(repr, each)) for each in zip(*probabilities, strict=True)]
    for place, (names, shares) in enumerate(zip(zip(*labels, strict=True), numbers, strict=True)):
        if place == 0:
            columns += [map(_first.__getitem__, names), shares, itertools.repeat(', "top": [')]
        columns += [map((_next if place else _pair).__getitem__, names), shares]
    columns += [itertools.repeat('}], "known": '), map(repr, known)]
    return list(map("".join, zip(*columns)))  # noqa: B905  (some are endless)


def _head(prediction: Prediction, sets: bool) -> str:
    """Return the JSON object of any prediction without its last brace."""
    row = prediction_row(prediction)
    reason = row.pop("reason", None)
    if sets and not reason:
        row["labels"] = prediction.labels
    if reason:
        row["reason"] = reason
    return json.dumps(row, ensure_ascii=False)[:-1]


class _Cache(dict[str, str]):
    """What a function makes of each label. A file has at most `MAX_LABELS` labels."""

    def __init__(self, make: Callable[[str], str]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, label: str) -> str:
        made = self[label] = self._make(label)
        return made


_pair = _Cache(lambda label: f'{{"label": {encode_basestring(label)}, "probability": ')
_next = _Cache(lambda label: f"}}, {_pair[label]}")
_first = _Cache(lambda label: f', "label": {encode_basestring(label)}, "probability": ')


def score_row(score: Score) -> dict[str, Any]:
    """Return the JSON object of a score."""
    return {
        "nats_per_char": score.nats_per_char,
        "bits_per_char": score.bits_per_char,
        "perplexity": score.perplexity,
        "characters": score.characters,
    }
