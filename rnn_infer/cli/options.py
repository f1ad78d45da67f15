"""Options that several commands share."""

from typing import Any

import click

from rnn_infer.runtime.device import DEVICES
from rnn_infer.runtime.load_options import LoadOptions
from rnn_infer.runtime.providers import offers_cuda
from rnn_infer.sampling import Sampling
from rnn_infer.text.vocabulary import UNKNOWN_POLICIES


def utf8(_: click.Context, __: click.Parameter, value: Any) -> Any:
    """Refuse an argument that is not UTF-8. Python holds its bytes as half surrogate pairs."""
    for text in (value,) if isinstance(value, str) else value or ():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise click.BadParameter("is not UTF-8; convert it with iconv.") from None
    return value


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
    """Add the fields of `Sampling`."""
    for option in (
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
