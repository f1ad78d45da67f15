"""The command for classifiers: classify."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import click

from rnn_infer.classifier import Classifier
from rnn_infer.cli.guards import command
from rnn_infer.cli.inputs import read_texts
from rnn_infer.cli.json_output import prediction_lines, prediction_row, print_json
from rnn_infer.cli.options import json_option, model_options, report_device, unknown_option, utf8
from rnn_infer.cli.terminal import prediction_line, print_trace

_ROWS = 4096
"""Texts classified at once, so that memory does not grow with the input."""


@command
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
    classifier = Classifier.load(model, device=device, threads=threads, streams=streams)
    report_device(device, classifier.device)
    show = _show_traces if trace else _show_predictions
    show(classifier, given, as_json, options)


def _show_traces(
    classifier: Classifier, texts: Iterable[str], as_json: bool, options: dict[str, Any]
) -> None:
    for text in texts:
        steps = classifier.trace(text, **options)
        if as_json:
            print_json({"text": text, "trace": [prediction_row(each) for each in steps]})
        else:
            print_trace(text, steps)


def _show_predictions(
    classifier: Classifier, texts: Iterator[str], as_json: bool, options: dict[str, Any]
) -> None:
    while batch := list(islice(texts, _ROWS)):
        found = classifier.classify(batch, **options)
        # One call per block: each call of `echo` flushes the output.
        click.echo(prediction_lines(found) if as_json else "\n".join(map(prediction_line, found)))
