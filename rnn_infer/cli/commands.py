"""The commands of `rnn-infer`."""

import dataclasses
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import click

import rnn_infer
from rnn_infer import inspection
from rnn_infer.cli.guards import OneLineGroup, guarded
from rnn_infer.cli.inputs import read_text, read_texts
from rnn_infer.cli.json_output import prediction_row, print_json, score_row
from rnn_infer.cli.options import (
    json_option,
    model_options,
    report_device,
    sampling_options,
    unknown_option,
    utf8,
)
from rnn_infer.cli.terminal import (
    print_facts,
    print_findings,
    print_next,
    print_prediction,
    print_score,
    print_trace,
    print_verification,
)
from rnn_infer.runtime.stepper import Stepper
from rnn_infer.sampling import MAX_SEED
from rnn_infer.session import DEFAULT_LENGTH

_ROWS = 4096
"""Texts classified at once, so that memory does not grow with the input."""


@click.group(
    cls=OneLineGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(rnn_infer.__version__)
def main() -> None:
    """Run a model file made by rnn-train.

    \b
    Examples:
      rnn-infer generate --model exported/charlm.onnx --prompt "ROMEO:"
      rnn-infer classify --model exported/classifier.onnx Schmidhuber Rossi
      rnn-infer score --model exported/charlm.onnx book.txt
      rnn-infer doctor
    """


def _command(function: Callable[..., None]) -> Any:
    return main.command()(guarded(function))


@_command
@model_options
@click.option(
    "--prompt", default="", callback=utf8, help="The text to continue; - reads standard input."
)
@click.option(
    "--length",
    type=click.IntRange(1),
    default=DEFAULT_LENGTH,
    show_default=True,
    help="Characters to draw.",
)
@sampling_options
@click.option("--seed", type=click.IntRange(0, MAX_SEED - 1), help="Text i is drawn with seed + i.")
@click.option(
    "--count",
    type=click.IntRange(1, 100_000),
    default=1,
    show_default=True,
    help="Texts to draw.",
)
@click.option(
    "--stop", multiple=True, callback=utf8, help="End before this text; can be given several times."
)
@unknown_option
@json_option
def generate(
    model: str, device: Any, threads: int, prompt: str, count: int, as_json: bool, **options: Any
) -> None:
    """Draw text from a character model. One text is printed while it is drawn.

    \b
    Examples:
      rnn-infer generate --model exported/charlm.onnx --prompt "ROMEO:" --seed 1
      rnn-infer generate --model exported/charlm.onnx --count 5 --length 80 --json
      rnn-infer generate --model exported/charlm.onnx --prompt - < start.txt
    """
    lm = rnn_infer.CharLM.load(model, device=device, threads=threads, streams=count)
    report_device(device, lm.device)
    if prompt == "-":
        prompt = read_text("-")
    if count == 1 and not as_json:
        for piece in lm.stream(prompt, **options):
            click.echo(piece, nl=False)
            sys.stdout.flush()
        click.echo()
        return
    for sample in lm.complete([prompt] * count, **options):
        if as_json:
            print_json(dataclasses.asdict(sample))
        else:
            click.secho(f"── seed {sample.seed}", dim=True)
            click.echo(sample.text)


@_command
@model_options
@click.argument("texts", nargs=-1, metavar="[TEXT]...", callback=utf8)
@click.option(
    "--input",
    "source",
    metavar="FILE",
    help="Read the texts from a .csv, .tsv or .jsonl file, or one per line; - is standard input.",
)
@click.option(
    "--top", type=click.IntRange(1), default=3, show_default=True, help="Labels to show per text."
)
@click.option(
    "--prior",
    type=float,
    default=0.0,
    show_default=True,
    help="0: labels are as frequent as in training; 1: all are equally frequent.",
)
@click.option(
    "--min-probability",
    type=float,
    default=0.0,
    show_default=True,
    metavar="P",
    help="Give no label if its probability is below P.",
)
@click.option("--trace", is_flag=True, help="Show the prediction after each character.")
@unknown_option
@json_option
def classify(
    model: str,
    device: Any,
    threads: int,
    texts: tuple[str, ...],
    source: str | None,
    trace: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Predict the label of each text.

    \b
    Examples:
      rnn-infer classify --model exported/classifier.onnx Schmidhuber "O'Neill"
      rnn-infer classify --model exported/classifier.onnx Nakamura --trace
      rnn-infer classify --model exported/classifier.onnx Jones --min-probability 0.9
      rnn-infer classify --model exported/classifier.onnx --input names.csv --json > labels.jsonl
    """
    if bool(texts) == (source is not None):
        raise click.UsageError("give texts, or --input FILE, one of the two")
    given = iter(texts) if source is None else read_texts(source)
    streams = len(texts) if source is None else _ROWS
    classifier = rnn_infer.Classifier.load(model, device=device, threads=threads, streams=streams)
    report_device(device, classifier.device)
    show = _show_traces if trace else _show_predictions
    show(classifier, given, as_json, options)


def _show_traces(
    classifier: rnn_infer.Classifier, texts: Iterable[str], as_json: bool, options: dict[str, Any]
) -> None:
    for text in texts:
        steps = classifier.trace(text, **options)
        if as_json:
            print_json({"text": text, "trace": [prediction_row(each) for each in steps]})
        else:
            print_trace(text, steps)


def _show_predictions(
    classifier: rnn_infer.Classifier, texts: Iterator[str], as_json: bool, options: dict[str, Any]
) -> None:
    while batch := list(islice(texts, _ROWS)):
        for prediction in classifier.classify(batch, **options):
            if as_json:
                print_json(prediction_row(prediction))
            else:
                print_prediction(prediction)


@_command
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
    lm = rnn_infer.CharLM.load(model, device=device, threads=threads, streams=1)
    report_device(device, lm.device)
    row = score_row(lm.score(read_text(file), unknown=unknown))
    if as_json:
        print_json(row)
    else:
        print_score(row)


@_command
@model_options
@click.option(
    "--prompt", required=True, callback=utf8, help="The text before; - reads standard input."
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
    lm = rnn_infer.CharLM.load(model, device=device, threads=threads, streams=1)
    report_device(device, lm.device)
    if prompt == "-":
        prompt = read_text("-")
    found = lm.next(prompt, top, unknown=unknown)
    if as_json:
        print_json({"prompt": prompt, "top": [dataclasses.asdict(each) for each in found]})
    else:
        print_next(found)


@_command
@model_options
@json_option
def show(model: str, device: Any, threads: int, as_json: bool) -> None:
    """Show the facts about a model file.

    They are its kind, size, vocabulary, training and proof.

    \b
    Example:
      rnn-infer show --model exported/charlm.onnx
    """
    facts = inspection.describe(Stepper.open(model, device=device, threads=threads))
    if as_json:
        print_json(facts)
    else:
        print_facts(facts)


@_command
@model_options
@json_option
def verify(model: str, device: Any, threads: int, as_json: bool) -> None:
    """Repeat the recorded run of a model file.

    The exit code is 1 if the result differs.

    \b
    Example:
      rnn-infer verify --model exported/charlm.onnx
    """
    result = inspection.verify(Stepper.open(model, device=device, threads=threads))
    if as_json:
        print_json(result)
    else:
        print_verification(result)
    if not result["ok"]:
        sys.exit(1)


@_command
@json_option
def doctor(as_json: bool) -> None:
    """Show what is installed and which devices work.

    It also says what to run next. The exit code is 1 if the installation is broken.

    \b
    Example:
      rnn-infer doctor
    """
    findings = inspection.examine()
    if as_json:
        print_json(findings)
    else:
        print_findings(findings)
    if not findings["ok"]:
        sys.exit(1)
