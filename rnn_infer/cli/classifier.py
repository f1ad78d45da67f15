"""The command for classifiers: classify."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from rnn_infer.classifier import Classifier, OnEmpty
from rnn_infer.cli.answered import answered, naming
from rnn_infer.cli.answers import FIELDS, Output, answers, header, lines
from rnn_infer.cli.guards import command
from rnn_infer.cli.inputs import open_input
from rnn_infer.cli.json_output import prediction_row, print_json
from rnn_infer.cli.kept_columns import KeptColumns
from rnn_infer.cli.options import json_option, model_options, report_device, unknown_option, utf8
from rnn_infer.cli.table_options import table_options, take_table_options
from rnn_infer.cli.terminal import print_trace
from rnn_infer.predictions import Prediction
from rnn_infer.tables.options import TableOptions
from rnn_infer.tables.rows import Row
from rnn_infer.tables.table import Table
from rnn_infer.text.column import require_texts

_STREAMS = 4096
"""Texts of a table that are classified at once, about."""


@command
@model_options
@click.argument("texts", nargs=-1, metavar="[TEXT]...", callback=utf8)
@click.option(
    "--input",
    "source",
    metavar="FILE",
    help="Read the texts from a .csv, .tsv, .jsonl or .json file, or one per line; - is standard "
    "input (see --format).",
)
@table_options
@click.option(
    "--keep",
    multiple=True,
    metavar="COLUMN",
    help="Give this column of the input back beside the answer; `all` for all other columns.",
)
@click.option(
    "--output",
    type=click.Choice(["json", "csv"]),
    help="Print JSON lines, as --json does, or a CSV table.",
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
@click.option(
    "--coverage",
    type=float,
    metavar="P",
    help="Give a set of labels that holds the right one in this share of the texts, 0.9 for "
    "example. The file needs scores of held-out rows.",
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
    keep: tuple[str, ...],
    output: Output | None,
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
      rnn-infer classify --model mine.onnx Jones --coverage 0.9
      rnn-infer classify --model exported/classifier.onnx --input names.csv --json > labels.jsonl
      rnn-infer classify --model exported/classifier.onnx --input reviews.csv --keep id --output csv
    """
    output = output or ("json" if as_json else "text")
    if bool(texts) == (source is not None):
        raise click.UsageError("give texts, or --input FILE, one of the two")
    if as_json and output == "csv":
        raise click.UsageError("--json and --output csv exclude each other; drop one of them")
    if trace and (keep or output == "csv"):
        raise click.UsageError("--trace takes no --keep and no --output csv; drop it")
    if keep and (source is None or output == "text"):
        raise click.UsageError("--keep needs --input, and --json or --output csv; add them")
    how = take_table_options(options)
    if source is None and how != TableOptions():
        raise click.UsageError("the options of a table need --input FILE; add it, or drop them")
    streams = len(texts) if source is None else _STREAMS
    classifier = Classifier.load(model, device=device, threads=threads, streams=streams)
    report_device(device, classifier.device)
    with _table(texts, source, how, classifier) as table:
        kept = KeptColumns(table, keep, FIELDS[output])
        if trace:
            _show_traces(classifier, table, output == "json", options)
        else:
            on_empty: OnEmpty = "none" if source else "error"
            _show_predictions(classifier, table, kept, output, {"on_empty": on_empty, **options})


@contextmanager
def _table(
    texts: tuple[str, ...], source: str | None, how: TableOptions, classifier: Classifier
) -> Iterator[Table]:
    """Open the input, or make a table of the texts of the command line."""
    if source is not None:
        with open_input(source, how, classifier.labels) as table:
            yield table
        return
    require_texts(texts, "classify")
    rows = (Row(text, None, i, ()) for i, text in enumerate(texts, 1))
    yield Table(rows, (), "text", None, "texts of the command line", "", "command line", "text")


def _show_traces(
    classifier: Classifier, table: Table, as_json: bool, options: dict[str, Any]
) -> None:
    for row in table:
        with naming(table, row):
            steps = classifier.trace(row.text, **options) if row.text else []
        if as_json:
            print_json({"text": row.text, "trace": [prediction_row(each) for each in steps]})
        else:
            print_trace(row.text, steps)


def _show_predictions(
    classifier: Classifier,
    table: Table,
    kept: KeptColumns,
    output: Output,
    options: dict[str, Any],
) -> None:
    sets = options["coverage"] is not None
    if (line := header(output, kept, sets)) is not None:
        click.echo(line)

    def predict(texts: list[str]) -> list[Prediction]:
        return classifier.classify(texts, **options)

    def write(predictions: list[Prediction]) -> list[str]:
        return answers(output, predictions, sets)

    every = len(classifier.labels)
    count, labels = 0, every if sets else min(options["top"], every)
    for rows, found in answered(table, predict, write, labels):
        # One call per block: each call of `echo` flushes the output. With `color` it does not look
        # for terminal codes to leave out, which are a part of the data.
        click.echo(lines(output, found, rows, kept), color=output != "text" or None)
        count += len(rows)
    if not count:
        click.echo(f"{table.name}: holds 0 rows; there is nothing to classify", err=True)
