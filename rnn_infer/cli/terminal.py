"""Results as a person reads them in a terminal."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from rnn_infer.predictions import Prediction
from rnn_infer.scoring import NextChar

_BAR = 24
"""Columns of a full bar."""
_DASH = "–"
"""Printed in place of a label if the prediction abstains."""


def prediction_line(prediction: Prediction) -> str:
    """Return one line: the text, its label, and the labels after it."""
    if prediction.reason:
        return f"{padded(short(prediction.text), 24)} {_DASH}   ({prediction.reason})"
    return (
        f"{padded(short(prediction.text), 24)} {padded(_label(prediction), 14)} "
        f"{prediction.probability:4.0%}   {_others(prediction)}{_known(prediction)}"
    )


def _known(prediction: Prediction) -> str:
    """Return how much of the text the model knows, if it is not all."""
    return f"   ({prediction.known:.0%} known)" if prediction.known < 1 else ""


def _label(prediction: Prediction) -> str:
    return _DASH if prediction.label is None else short(prediction.label)


def _others(prediction: Prediction) -> str:
    """Return the labels after the first. If the prediction abstains, the first one too."""
    others = prediction.top if prediction.abstains else prediction.top[1:]
    return ", ".join(f"{each.label} {each.probability:.0%}" for each in others)


def print_trace(text: str, trace: Sequence[Prediction]) -> None:
    """Print the text, and one line per character with the prediction after it."""
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
        click.secho(f" {_others(prediction)}{_known(prediction)}", dim=True)
        previous = label


def print_score(row: Mapping[str, float]) -> None:
    """Print one line per figure of a score."""
    for name, value in row.items():
        click.echo(f"{name.replace('_', ' '):15} {value:,.4f}".removesuffix(".0000"))


def print_next(chars: Iterable[NextChar]) -> None:
    """Print one line per character: its probability, and a bar."""
    for each in chars:
        click.echo(f"{each.char!r:8} {each.probability:6.1%} {bar(each.probability)}")


def print_facts(facts: Mapping[str, Any]) -> None:
    """Print the facts about a model file."""
    for name, value in facts.items():
        if isinstance(value, dict):
            click.echo(f"{name}:")
            for key, each in value.items():
                click.echo(f"  {short(key):28} {short(each)}")
        else:
            shown = "".join(value) if name == "vocabulary" else value
            click.echo(f"{name:14} {short(shown)}")


def print_verification(result: Mapping[str, Any]) -> None:
    """Print one line: whether the recorded run gave the same result."""
    difference = result["logits_difference"]
    within = f"within {difference or 0:.2g} ({result['tolerance']:g} allowed)"
    logits = "are no numbers" if difference is None else within
    tokens = {True: ", same tokens drawn", False: ", other tokens drawn", None: ""}
    click.echo(
        f"{'ok' if result['ok'] else 'FAILED'}: logits {logits}"
        f"{tokens[result['same_generated']]}, on {result['device']}"
    )


def print_findings(findings: Mapping[str, Any]) -> None:
    """Print one line per finding about this machine."""
    for name, value in findings.items():
        click.echo(f"{name.replace('_', ' '):14} {value if value else _DASH}")


def bar(share: float) -> str:
    """Return a bar whose length is a share from 0 to 1, exact to an eighth of a column."""
    whole, part = divmod(round(share * _BAR * 8), 8)
    return "█" * whole + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[part]


def padded(text: str, width: int) -> str:
    """Return a text filled with spaces to a width in columns. Wide characters take two."""
    wide = sum(1 + (unicodedata.east_asian_width(c) in "WF") for c in text)
    return text + " " * (width - wide)


def short(value: Any) -> str:
    """Return a value as one line of at most 200 characters, without control characters."""
    text = repr(value) if isinstance(value, str) and not value.isprintable() else str(value)
    return text if len(text) <= 200 else text[:199] + "…"
