"""The options that raise, lower or forbid characters: --forbid and --bias."""

import math
from typing import Any

import click

from rnn_infer.cli.options import typed
from rnn_infer.contract import Metadata
from rnn_infer.text.vocabulary import Vocabulary


def bias_options(function: Any) -> Any:
    """Add the options that become the `logit_bias` of a `Sampling`."""
    for option in (
        click.option(
            "--bias",
            multiple=True,
            callback=typed,
            metavar="CHAR=LOGIT",
            help="Add LOGIT to a character's logit: 2 makes it about 7 times as likely, -inf "
            r"forbids it; \n is a line end; can be given several times.",
        ),
        click.option(
            "--forbid",
            default="",
            callback=typed,
            metavar="CHARS",
            help=r"Never draw these characters; \n is a line end.",
        ),
    ):
        function = option(function)
    return function


def logit_bias(metadata: Metadata, forbid: str, bias: tuple[str, ...]) -> dict[str, float]:
    """Return what both options say about each character.

    Args:
        metadata: of the model. Its rules decide what one character is.
        forbid: the characters that are never drawn.
        bias: texts CHAR=LOGIT.

    Raises:
        click.BadParameter: a text is not CHAR=LOGIT, or a character is named twice.
    """
    vocabulary = Vocabulary(metadata)
    normalize = vocabulary.normalize
    found = dict.fromkeys(vocabulary.in_known_forms(normalize(forbid)), -math.inf)
    for text in bias:
        char, sign, logit = text.rpartition("=")
        try:
            value = float(logit)
        except ValueError:
            value = math.nan
        if not char or not sign or math.isnan(value):
            raise click.BadParameter(f"{text!r} is not CHAR=LOGIT, like e=1.5 or e=-inf.")
        if (char := normalize(char)) in found:
            raise click.BadParameter(f"{char!r} is named twice; keep one of them.")
        found[char] = value
    return found
