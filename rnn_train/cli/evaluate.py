"""The command `evaluate`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnn_infer.cli.guards import require_output
from rnn_infer.cli.options import unknown_option
from rnn_infer.cli.table_options import TABLE_OPTIONS, table_options, take_table_options
from rnn_train.cli.group import guarded, main
from rnn_train.cli.options import DEVICE, PATH, PRIOR, THREADS
from rnn_train.files import check_reachable, check_writable

if TYPE_CHECKING:
    from rnn_train.evaluation.figures import CharLMFigures, ClassifierFigures


@main.command()
@click.argument("target", type=PATH, metavar="RUN|FILE.onnx")
@click.option(
    "--data",
    multiple=True,
    required=True,
    metavar="SRC",
    help="Data to score: sources as for training; may be given several times.",
)
@click.option("--dynamic", is_flag=True, help="For a charlm run: use the protocol `dynamic` too.")
@click.option(
    "--plots",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="For a classifier: draw its confusion matrix and reliability diagram into this folder.",
)
@click.option(
    "--coverage",
    type=float,
    metavar="P",
    help="For a classifier: measure its prediction sets that shall hold the right label in this "
    "share of the rows: real coverage and mean size, overall and by label.",
)
@click.option(
    "--prior",
    type=PRIOR,
    default=0.0,
    show_default=True,
    metavar="P|best",
    help="For a classifier: `prior` of `rnn-infer classify`, from 0 to 1; `best` is the one that "
    "the model's own held-out rows chose.",
)
@click.option(
    "--per-label",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.csv",
    help="For a classifier: write the figures of each label into this file: rows, precision, "
    "recall, F1, share predicted, and the label most often given in its place.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@table_options
@unknown_option
@DEVICE
@THREADS
def evaluate(
    target: Path,
    data: tuple[str, ...],
    plots: Path | None,
    per_label: Path | None,
    as_json: bool,
    threads: int | None,
    **options: Any,
) -> None:
    """Score a run or an exported file on data that it never saw.

    For a character model, the loss in nats and bits a character under named protocols: `windows`
    (windows of 256 characters, each from the zero state, all positions scored), `stateful` (one
    pass) and, with --dynamic, `dynamic` (stateful, and the weights learn from the text that was
    read). For a classifier, accuracy, macro and weighted F1, top-3 and top-5 accuracy, calibration
    error, the most frequent confusions, and precision, recall and F1 of each label. Each row counts
    alone: of a text that stands there with two labels, one row at most is right.

    \b
    Examples:
      rnn-train evaluate runs/charlm-1 --data held-out.txt --dynamic
      rnn-train evaluate exported/charlm.onnx --data held-out.txt --json
      rnn-train evaluate exported/classifier.onnx --data held-out.csv --plots figures/
      rnn-train evaluate runs/classifier-1 --data held-out.csv --coverage 0.9
      rnn-train evaluate names.onnx --data held-out.csv --per-label labels.csv --prior best
      rnn-train evaluate reviews.onnx --data held-out.csv --text-column review --unknown fold
    """

    def work() -> None:
        from rnn_train import pipeline

        require_output()
        pipeline.set_threads(threads)
        figures = _scored(target, data, plots, per_label, options)
        if plots is not None:
            for path in figures.draw(plots):
                _log(f"drew {path}")
        if per_label is not None:
            figures.write_labels(per_label)
            _log(f"wrote {per_label}")
        if as_json:
            click.echo(json.dumps(figures.as_json(), ensure_ascii=False))
        else:
            click.echo(figures.as_text())

    guarded(work)


def _scored(
    target: Path,
    data: tuple[str, ...],
    plots: Path | None,
    per_label: Path | None,
    options: dict[str, Any],
) -> "CharLMFigures | ClassifierFigures":
    """Evaluates a target, after a look whether the files can be written.

    Args:
        target, data: see `evaluator.evaluate`.
        plots: folder of the plots.
        per_label: file of the table of labels.
        options: of the evaluation, and those of a table.
    """
    from rnn_train import evaluator

    if per_label is not None:
        check_writable(per_label)
    if plots is not None:
        check_reachable(plots / "confusion.png", "--plots")
    table = {name: options.pop(name) for name in TABLE_OPTIONS}
    return evaluator.evaluate(
        target,
        data,
        log=_log,
        table=take_table_options(table),
        of_labels="--plots" if plots else "--per-label" if per_label else "",
        **options,
    )


def _log(line: str) -> None:
    click.echo(line, err=True)
