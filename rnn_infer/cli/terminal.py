"""How answers look in a terminal."""

import unicodedata
from collections.abc import Sequence
from typing import Any

import click

from rnn_infer.classifier import Prediction

_BAR = 24
_DASH = "–"
"""In place of a label where the answer abstains."""


def print_prediction(prediction: Prediction) -> None:
    """A text, its label, and what else it may be: one line."""
    click.echo(
        f"{padded(prediction.text, 24)} {padded(_label(prediction), 14)} "
        f"{prediction.probability:4.0%}   {_others(prediction)}"
    )


def _label(prediction: Prediction) -> str:
    return _DASH if prediction.label is None else short(prediction.label)


def _others(prediction: Prediction) -> str:
    """Labels that stand beside the answer; where there is none, the likeliest too."""
    beside = prediction.top if prediction.abstains else prediction.top[1:]
    return ", ".join(f"{each.label} {each.probability:.0%}" for each in beside)


def print_trace(text: str, trace: Sequence[Prediction]) -> None:
    """The belief after each character, a line each."""
    click.secho(text, bold=True)
    previous = None
    for prediction in trace:
        char, label = prediction.text[-1], _label(prediction)
        click.echo(
            f"  {padded(repr(char)[1:-1], 4)} {bar(prediction.probability):{_BAR}} ", nl=False
        )
        click.secho(
            f"{prediction.probability:4.0%} {padded(label, 14)}", bold=label != previous, nl=False
        )
        click.secho(f" {_others(prediction)}", dim=True)
        previous = label


def bar(share: float) -> str:
    """A bar to an eighth of a character."""
    whole, part = divmod(round(share * _BAR * 8), 8)
    return "█" * whole + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[part]


def padded(text: str, width: int) -> str:
    """Filled with spaces to a width of so many columns."""
    wide = sum(1 + (unicodedata.east_asian_width(c) in "WF") for c in text)
    return text + " " * (width - wide)


def short(value: Any) -> str:
    """A value on one line of at most 200 characters."""
    text = repr(value) if isinstance(value, str) and not value.isprintable() else str(value)
    return text if len(text) <= 200 else text[:199] + "…"
