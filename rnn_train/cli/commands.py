"""`rnn-train`: options in, one library call, errors to one line."""

import functools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import rnn_train
from rnn_infer.contract import MAX_STEPS

if TYPE_CHECKING:
    from rnn_train.exporting.graph import Weights

_EXTRA = "rnn-train needs the train extra; run: pip install 'rnn-infer[train,cpu]'"
_Options = dict[str, Any]
_TEMPERATURE = click.FloatRange(0.01, 100)
_SITTING = ("out", "device", "threads")
"""Options that a resumed run may change."""


class _Refusal(click.ClickException):
    """Options that do not go together, told in one line."""

    exit_code = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(rnn_train.__version__)
def main() -> None:
    """Train a small recurrent network and export it to one .onnx file.

    \b
    Examples:
      rnn-train charlm --data book.txt --minutes 10
      rnn-train classifier --data names.csv
      rnn-train charlm --resume runs/charlm-1
      rnn-train export runs/charlm-1 --out exported/mine.onnx
    """


def _shared(command: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The options both training commands have."""

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        options = [
            click.option(
                "--data", multiple=True, metavar="SRC", help="May be given several times."
            ),
            click.option(
                "--val-data", metavar="FILE", help="Held-out data; else a part of --data."
            ),
            click.option(
                "--val-fraction",
                type=click.FloatRange(0, 0.5),
                default=0.1,
                show_default=True,
                help="Share of the data to hold out; 0 trains on all.",
            ),
            click.option(
                "--minutes",
                type=click.FloatRange(0, min_open=True),
                help="Wall-clock budget; the schedule is fitted to it.",
            ),
            click.option(
                "--epochs", type=click.FloatRange(0, min_open=True), help="Budget in passes."
            ),
            click.option("--resume", type=click.Path(path_type=Path), metavar="RUN"),
            click.option(
                "--run", type=click.Path(path_type=Path), metavar="DIR", help="Run folder."
            ),
            click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto"),
            click.option("--threads", type=click.IntRange(1, 1024), help="CPU threads."),
            click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True),
            click.option(
                "--temperature",
                type=_TEMPERATURE,
                default=1.0,
                show_default=True,
                help="Divides the logits with --val-fraction 0; found by a run that held data out.",
            ),
            click.option(
                "--ensemble",
                type=click.IntRange(0, 100),
                default=0,
                show_default=True,
                help="Networks to train first, which teach the one exported: better, in as many "
                "times --epochs more, or in the same --minutes.",
            ),
            click.option("--hidden", type=click.IntRange(1, 8192), help="Width of each layer."),
            click.option("--layers", type=click.IntRange(1, 16)),
            click.option("--embedding", type=click.IntRange(1, 8192)),
            click.option("--batch", type=click.IntRange(1, 65536)),
            click.option("--learning-rate", type=click.FloatRange(0, 10, min_open=True)),
            click.option(
                "--validate-every",
                type=click.FloatRange(0),
                metavar="SECONDS",
                help="Between validations, each with a checkpoint.",
            ),
            click.option(
                "--out",
                type=click.Path(path_type=Path),
                default=Path(f"exported/{command}.onnx"),
                show_default=True,
            ),
        ]
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


_TRAINING = ("batch", "learning_rate", "validate_every")
_RATE = click.FloatRange(0, 1, max_open=True)


@main.command()
@_shared("charlm")
@click.option("--min-count", type=click.IntRange(1), default=1, help="Fold rarer characters.")
@click.option(
    "--init-from",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Start from its weights: fine-tune on another text.",
)
@click.option(
    "--teacher",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE.onnx",
    help="Learn what this exported model expects, too. May be given several times.",
)
@click.option("--head", type=click.IntRange(0, 65536), help="Width of an MLP head; 0: none.")
@click.option("--skip/--no-skip", default=None, help="Let the head read all layers, or the last.")
@click.option("--window", type=click.IntRange(2, 65536), help="Characters between gradient cuts.")
@click.option("--dropout-input", type=_RATE)
@click.option("--dropout-layer", type=_RATE)
@click.option("--dropout-output", type=_RATE)
@click.option("--weight-drop", type=_RATE, help="On the recurrent matrices.")
@click.option(
    "--muon",
    type=click.FloatRange(0, 100),
    help="Rate of Muon on the LSTM's matrices, in --learning-rates; 0: AdamW.",
)
@click.option("--average", type=_RATE, help="Decay of the moving average of the weights.")
@click.option("--weight-decay", type=click.FloatRange(0, 10))
@click.option(
    "--capture/--no-capture",
    default=None,
    help="On CUDA: record the passes of a step once and replay them, or launch each operation.",
)
def charlm(**options: Any) -> None:
    """Train a character LSTM: it writes in the voice of a text.

    SRC is a text file (UTF-8), a folder or a glob of them, or a named set: `python` (the standard
    library's source, the default; nothing to download) or `tinyshakespeare` (fetched once).

    \b
    Examples:
      rnn-train charlm                                     the Python standard library
      rnn-train charlm --data book.txt --minutes 10
      rnn-train charlm --data 'plays/*.txt' --val-data held-out.txt --epochs 20
      rnn-train charlm --resume runs/charlm-1
      rnn-train charlm --init-from runs/charlm-1 --data sequel.txt
      rnn-train charlm --data book.txt --ensemble 3 --minutes 120
      rnn-train charlm --teacher one.onnx --teacher two.onnx --data book.txt
    """
    shape = ("hidden", "layers", "embedding", "head", "skip", "weight_drop")
    drops = ("dropout_input", "dropout_layer", "dropout_output")
    _run(
        "charlm",
        options,
        model=shape + drops,
        training=(*_TRAINING, "window", "muon", "average", "weight_decay", "capture"),
    )


@main.command()
@_shared("classifier")
@click.option(
    "--cell", help="elman, gru, lstm, mingru, or your own class as package.module:MyCell."
)
@click.option("--ngrams", type=click.IntRange(1, 8), help="Longest n-gram with its own vector.")
@click.option("--evidence", type=click.IntRange(1, 8), help="Longest read as naive Bayes does.")
@click.option("--pool/--no-pool", default=None, help="Also read running mean and maximum states.")
@click.option("--dropout", type=_RATE)
@click.option(
    "--balance", type=click.FloatRange(0, 1), help="Favour rare labels: 1 takes all as frequent."
)
def classifier(**options: Any) -> None:
    """Train a recurrent classifier: it reads a text letter by letter.

    SRC is a .csv or .tsv of text,label (with or without a header), a .jsonl with "text" and
    "label", a folder of <label>.txt files, or the set `surnames` (the default).

    \b
    Examples:
      rnn-train classifier                                 surnames by language
      rnn-train classifier --data names.csv --cell gru
      rnn-train classifier --data names.csv --ensemble 5
      rnn-train classifier --data names.csv --cell mycells:Leaky
      rnn-train classifier --data reviews/ --epochs 10 --out exported/reviews.onnx
    """
    shape = ("cell", "hidden", "layers", "embedding", "pool", "dropout", "ngrams", "evidence")
    _run("classifier", options, model=shape, training=_TRAINING)


@main.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option(
    "--quantize",
    type=click.Choice(["int8", "float16"]),
    help="Smaller and faster weights: int8 for the CPU, float16 for CUDA; what they cost is "
    "measured.",
)
@click.option("--step-only", is_flag=True, help="Tokens and state only, no generation inputs.")
@click.option(
    "--steps",
    type=click.IntRange(1, MAX_STEPS),
    help="So many characters a call and no control flow: for CUDA graphs.",
)
@click.option(
    "--fastest-for",
    type=click.IntRange(1, 65536),
    metavar="STREAMS",
    help="Choose --steps by measuring on this machine's GPU, for so many streams at once.",
)
@click.option(
    "--temperature",
    type=_TEMPERATURE,
    help="Divides the logits, in place of what the run found on its held-out data.",
)
def export(
    run: Path,
    out: Path,
    quantize: "Weights | None",
    step_only: bool,
    steps: int | None,
    fastest_for: int | None,
    temperature: float | None,
) -> None:
    """Export a run's latest weights, proved against the model.

    \b
    Examples:
      rnn-train export runs/charlm-1 --out exported/charlm.int8.onnx --quantize int8
      rnn-train export runs/charlm-1 --out exported/charlm.step.onnx --step-only
      rnn-train export runs/charlm-1 --out gpu.onnx --quantize float16 --fastest-for 64
    """

    def work() -> None:
        from rnn_train import pipeline

        if steps and fastest_for:
            raise _Refusal("--steps and --fastest-for exclude each other; give one of them")
        shown = pipeline.export_run(
            run,
            out,
            step_only=step_only,
            steps=steps,
            fastest_for=fastest_for,
            weights=quantize or "float32",
            temperature=temperature,
            log=click.echo,
        )
        click.echo(f"wrote {out}   (largest differences: {shown})")

    _guard(work)


@main.command()
@click.argument("target", type=click.Path(path_type=Path), metavar="RUN|FILE.onnx")
@click.option("--data", multiple=True, required=True, metavar="SRC", help="As for training.")
@click.option("--dynamic", is_flag=True, help="Of a charlm run: score dynamic evaluation, too.")
@click.option(
    "--plots",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Of a classifier: draw its confusion matrix and its reliability there.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto")
@click.option("--threads", type=click.IntRange(1, 1024), help="CPU threads.")
def evaluate(
    target: Path,
    data: tuple[str, ...],
    dynamic: bool,
    plots: Path | None,
    as_json: bool,
    device: Any,
    threads: int | None,
) -> None:
    """Score a run, or an exported file, on data that it never saw.

    A character model is scored in nats and bits a character, under named protocols: `windows`
    (of 256 characters, each from the zero state, all positions scored), `stateful` (one pass)
    and, with --dynamic, `dynamic` (stateful, the weights following the text already read).
    A classifier by accuracy, macro-F1, top-3 accuracy, calibration error and figures by label.

    \b
    Examples:
      rnn-train evaluate runs/charlm-1 --data held-out.txt --dynamic
      rnn-train evaluate exported/charlm.onnx --data held-out.txt --json
      rnn-train evaluate exported/classifier.onnx --data held-out.csv --plots figures/
    """

    def work() -> None:
        from rnn_train import evaluator, pipeline

        pipeline.set_threads(threads)
        log = functools.partial(click.echo, err=True)
        figures = evaluator.evaluate(target, data, dynamic=dynamic, device=device, log=log)
        if plots is not None:
            for path in figures.draw(plots):
                log(f"drew {path}")
        if as_json:
            click.echo(json.dumps(figures.as_json(), ensure_ascii=False))
        else:
            click.echo(figures.as_text())

    _guard(work)


def _run(
    command: str, options: _Options, model: tuple[str, ...], training: tuple[str, ...]
) -> None:
    def given(names: tuple[str, ...]) -> _Options:
        return {name: options[name] for name in names if options[name] is not None}

    def work() -> None:
        from rnn_train import pipeline
        from rnn_train.tasks import registry

        if options["resume"]:
            _refuse_changes()
            kept = {name: options[name] if _is_given(name) else None for name in _SITTING}
            pipeline.resume(options["resume"], command=command, log=click.echo, **kept)
            return
        if options["minutes"] and options["epochs"]:
            raise _Refusal("--minutes and --epochs exclude each other; give one of them")
        plain = ("val_data", "val_fraction", "minutes", "epochs", "seed")
        request = registry.Request(
            data=options["data"],
            min_count=options.get("min_count", 1),
            init_from=options.get("init_from"),
            teachers=options.get("teacher", ()),
            ensemble=options["ensemble"],
            balance=options.get("balance"),
            temperature=options["temperature"],
            model=given(model),
            training=given(training),
            **{name: options[name] for name in plain},
        )
        sitting = {name: options[name] for name in _SITTING}
        pipeline.train(command, request, folder=options["run"], log=click.echo, **sitting)

    _guard(work)


def _refuse_changes() -> None:
    """A resumed run goes on with what it was asked: other options would be lost in silence."""
    for name in click.get_current_context().params:
        if name not in ("resume", *_SITTING) and _is_given(name):
            option = "--" + name.replace("_", "-")
            raise _Refusal(f"--resume goes on with the run as it was asked; drop {option}")


def _is_given(name: str) -> bool:
    source = click.get_current_context().get_parameter_source(name)
    return source is click.core.ParameterSource.COMMANDLINE


def _guard(work: Any) -> None:
    """Runs `work`; an error raised on purpose becomes one line and exit code 1."""
    try:
        import onnx  # noqa: F401
        import torch  # noqa: F401
    except ModuleNotFoundError as error:
        raise click.ClickException(f"{error.name} is not installed; {_EXTRA}") from None
    from rnn_infer.errors import RnnInferError
    from rnn_train.errors import RnnTrainError

    try:
        work()
    except (RnnTrainError, RnnInferError) as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        sys.exit(130)
