"""The commands for character models: generate, score, next."""

import dataclasses
import sys
from collections.abc import Iterable
from typing import Any

import click

from rnn_infer.charlm import CharLM
from rnn_infer.cli.guards import command
from rnn_infer.cli.inputs import read_text
from rnn_infer.cli.json_output import print_json, score_row
from rnn_infer.cli.logit_bias import bias_options, logit_bias
from rnn_infer.cli.options import (
    json_option,
    model_options,
    report_device,
    sampling_options,
    typed,
    unknown_option,
)
from rnn_infer.cli.terminal import print_next, print_score
from rnn_infer.generation import Generation
from rnn_infer.sampling import DEFAULT_LENGTH, MAX_SEED


@command
@model_options
@click.option(
    "--prompt",
    default="",
    callback=typed,
    help=r"The text to continue; \n is a line end; - reads standard input.",
)
@click.option(
    "--length",
    type=click.IntRange(1),
    default=DEFAULT_LENGTH,
    show_default=True,
    help="Characters to draw.",
)
@sampling_options
@bias_options
@click.option("--seed", type=click.IntRange(0, MAX_SEED - 1), help="Text i is drawn with seed + i.")
@click.option(
    "--count",
    type=click.IntRange(1, 100_000),
    default=1,
    show_default=True,
    help="Texts to draw.",
)
@click.option(
    "--stop",
    multiple=True,
    callback=typed,
    help=r"End before this text; \n is a line end; can be given several times.",
)
@click.option(
    "--unique",
    is_flag=True,
    help="Draw --count different items (names, titles), one a line, each up to its end: that of a "
    "document (rnn-train charlm --documents), or a --stop text. If items may hold a line "
    "end, use --json.",
)
@click.option(
    "--exclude",
    metavar="FILE|-",
    help="With --unique: draw none of the lines of this file, for instance the training data.",
)
@click.option(
    "--min-length",
    type=click.IntRange(1),
    help="With --unique: fewest characters of an item, its prompt included.",
)
@unknown_option
@json_option
def generate(
    model: str,
    device: Any,
    threads: int,
    prompt: str,
    count: int,
    unique: bool,
    exclude: str | None,
    min_length: int | None,
    as_json: bool,
    forbid: str,
    bias: tuple[str, ...],
    **options: Any,
) -> None:
    """Draw text from a character model. One text is printed while it is drawn.

    \b
    Examples:
      rnn-infer generate --model exported/charlm.onnx --prompt "ROMEO:" --seed 1
      rnn-infer generate --model exported/charlm.onnx --count 5 --length 80 --json
      rnn-infer generate --model exported/charlm.onnx --prompt - < start.txt
      rnn-infer generate --model exported/charlm.onnx --count 9 --unique --stop . --min-length 5
      rnn-infer generate --model exported/charlm.onnx --forbid "qxz" --bias "!=2" --bias ";=-inf"
      rnn-infer generate --model exported/charlm.onnx --temperature 0.2 --repetition-penalty 2
    """
    if not unique and (exclude or min_length):
        raise click.UsageError(f"{'--exclude' if exclude else '--min-length'} needs --unique")
    if exclude == prompt == "-":
        raise click.UsageError("standard input is either --prompt or --exclude")
    lm = CharLM.load(model, device=device, threads=threads, streams=count)
    report_device(device, lm.device)
    options["logit_bias"] = logit_bias(lm.metadata, forbid, bias)
    if prompt == "-":
        prompt = read_text("-")
    if unique:
        # Only a line end ends a line, as in a table: U+2028 does not.
        lines = read_text(exclude).split("\n") if exclude else []
        known = [line.removesuffix("\r") for line in lines]
        items = lm.new_items(count, prompt, exclude=known, min_length=min_length or 1, **options)
        _print_items(items, prompt, as_json)
    elif count == 1 and not as_json:
        _print_pieces(lm.stream(prompt, **options))
    else:
        _print_texts(lm.complete([prompt] * count, **options), as_json)


def _print_items(items: Iterable[Generation], prompt: str, as_json: bool) -> None:
    for item in items:
        if as_json:
            print_json(dataclasses.asdict(item))
        else:
            click.echo(prompt + item.text)


def _print_pieces(pieces: Iterable[str]) -> None:
    for piece in pieces:
        click.echo(piece, nl=False)
        if sys.stdout:  # a program without a console has none
            sys.stdout.flush()
    click.echo()


def _print_texts(texts: Iterable[Generation], as_json: bool) -> None:
    for text in texts:
        if as_json:
            print_json(dataclasses.asdict(text))
        else:
            click.secho(f"── seed {text.seed}", dim=True)
            click.echo(text.text)


@command
@model_options
@click.argument("file", metavar="FILE|-")
@unknown_option
@json_option
def score(model: str, device: Any, threads: int, file: str, unknown: Any, as_json: bool) -> None:
    """Measure how well a character model predicts a text.

    The text is read once, from start to end.

    \b
    Examples:
      rnn-infer score --model exported/charlm.onnx held-out.txt
      cat poem.txt | rnn-infer score --model exported/charlm.onnx - --json
    """
    lm = CharLM.load(model, device=device, threads=threads, streams=1)
    report_device(device, lm.device)
    row = score_row(lm.score(read_text(file), unknown=unknown))
    if as_json:
        print_json(row)
    else:
        print_score(row)


@command
@model_options
@click.option(
    "--prompt",
    required=True,
    callback=typed,
    help=r"The text before; \n is a line end; - reads standard input.",
)
@click.option(
    "--top", type=click.IntRange(1), default=5, show_default=True, help="Characters to show."
)
@unknown_option
@json_option
def next(  # noqa: A001  (the command's name)
    model: str, device: Any, threads: int, prompt: str, top: int, unknown: Any, as_json: bool
) -> None:
    """Show the most likely characters after a text.

    \b
    Example:
      rnn-infer next --model exported/charlm.onnx --prompt "To be or not to b"
    """
    lm = CharLM.load(model, device=device, threads=threads, streams=1)
    report_device(device, lm.device)
    if prompt == "-":
        prompt = read_text("-")
    found = lm.next(prompt, top, unknown=unknown)
    if as_json:
        print_json({"prompt": prompt, "top": [dataclasses.asdict(each) for each in found]})
    else:
        print_next(found)
