"""Options that several commands share."""

import re
from typing import Any

import click

from rnn_infer.runtime.device import DEVICES
from rnn_infer.runtime.load_options import LoadOptions
from rnn_infer.runtime.providers import offers_cuda
from rnn_infer.sampling import Sampling
from rnn_infer.text.vocabulary import UNKNOWN_POLICIES

_ESCAPES = {"n": "\n", r"r\n": "\n", "t": "\t", "\\": "\\"}
_ESCAPED = {r"\n": "a line end", r"\r\n": "a line end", r"\t": "a tab", "\\\\": "a backslash"}
_ESCAPE = re.compile(r"\\(r\\n|[nt\\])")


def utf8(_: click.Context, __: click.Parameter, value: Any) -> Any:
    """Refuse an argument that is not UTF-8. Python holds its bytes as half surrogate pairs."""
    for text in (value,) if isinstance(value, str) else value or ():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise click.BadParameter("is not UTF-8; convert it with iconv.") from None
    return value


def typed(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    r"""Read escapes in a text that was typed: `\n`, `\r\n`, `\t` and `\\`.

    Any other backslash stays. A line on standard error says so, since a text may mean the two
    characters. The text is refused as by `utf8`.
    """
    value = utf8(context, parameter, value)
    if isinstance(value, tuple):
        return tuple(typed(context, parameter, each) for each in value)
    if value is None or (read := _ESCAPE.sub(lambda match: _ESCAPES[match[1]], value)) == value:
        return value
    found = ", ".join(f"{escape} as {_ESCAPED[escape]}" for escape in _escapes_in(value))
    click.echo(
        rf"note: {parameter.opts[0]}: {found} (for a backslash and a letter, type \\n)", err=True
    )
    return read


def _escapes_in(text: str) -> list[str]:
    return sorted({match[0] for match in _ESCAPE.finditer(text)})


def model_options(function: Any) -> Any:
    """Add the options of a command that loads a model."""
    for option in (
        click.option(
            "--threads",
            type=click.IntRange(1, 1024),
            default=LoadOptions.threads,
            show_default=True,
            help="CPU threads per call.",
        ),
        click.option(
            "--device",
            type=click.Choice(DEVICES),
            default=LoadOptions.device,
            show_default=True,
            help="auto: CUDA if it works and is worth it, else the CPU.",
        ),
        click.option("--model", required=True, metavar="FILE", help="The .onnx file."),
    ):
        function = option(function)
    return function


def sampling_options(function: Any) -> Any:
    """Add the fields of `Sampling` but `logit_bias`."""
    for option in (
        click.option(
            "--repetition-penalty",
            type=float,
            default=Sampling.repetition_penalty,
            show_default=True,
            metavar="R",
            help="Divide the weight of a character that would repeat a passage by R for each time "
            "that the passage occurred; 1: off.",
        ),
        click.option(
            "--top-p",
            type=float,
            default=Sampling.top_p,
            show_default=True,
            help="Draw from the most likely characters that add up to this probability; 1: all.",
        ),
        click.option(
            "--top-k",
            type=int,
            default=Sampling.top_k,
            show_default=True,
            help="Draw from the K most likely characters; 0: all.",
        ),
        click.option(
            "--temperature",
            type=float,
            default=Sampling.temperature,
            show_default=True,
            help="Higher makes the text more varied; 0: always the most likely character.",
        ),
    ):
        function = option(function)
    return function


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object per line."
)
unknown_option = click.option(
    "--unknown",
    type=click.Choice(UNKNOWN_POLICIES),
    default="default",
    show_default=True,
    help="Characters outside the vocabulary. default: as the file says; error: refuse the text; "
    "skip: leave them out; fold: use the nearest known character.",
)


def report_device(asked: str, taken: str) -> None:
    """Print the device on standard error if `auto` had a choice."""
    if asked == "auto" and offers_cuda():
        click.echo(f"device: {taken}", err=True)
