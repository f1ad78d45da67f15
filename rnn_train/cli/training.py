"""The commands `charlm` and `classifier`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from rnn_train.cli.group import OptionsError, guarded, main
from rnn_train.cli.options import DEVICE, PATH, TEMPERATURE, THREADS

_Options = dict[str, Any]
_RESUMABLE = ("out", "device", "threads")
"""Options that a resumed run may change."""
_COMMON = (
    "data",
    "val_data",
    "val_fraction",
    "minutes",
    "epochs",
    "seed",
    "ensemble",
    "temperature",
)
"""Options that are fields of every request."""
_TRAINING = ("batch", "learning_rate", "validate_every")
_RATE = click.FloatRange(0, 1, max_open=True)


def _shared(command: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Adds the options that both training commands have."""
    groups = (_DATA, _BUDGET, _RUN, _MODEL, _OPTIMIZER)
    options = [option for group in groups for option in group]
    options.append(
        click.option(
            "--out",
            type=PATH,
            default=Path(f"exported/{command}.onnx"),
            show_default=True,
            help="The exported file.",
        )
    )

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


_DATA = (
    click.option(
        "--data", multiple=True, metavar="SRC", help="Training data. May be given several times."
    ),
    click.option("--val-data", metavar="FILE", help="Held-out data; else a part of --data."),
    click.option(
        "--val-fraction",
        type=click.FloatRange(0, 0.5),
        default=0.1,
        show_default=True,
        help="Share of the data to hold out; 0 trains on all.",
    ),
    click.option(
        "--temperature",
        type=TEMPERATURE,
        default=1.0,
        show_default=True,
        help="Divides the logits with --val-fraction 0; take it from a run that held data out.",
    ),
)
_BUDGET = (
    click.option(
        "--minutes",
        type=click.FloatRange(0, min_open=True),
        help="Wall-clock budget; the schedule is fitted to it.",
    ),
    click.option(
        "--epochs",
        type=click.FloatRange(0, min_open=True),
        help="Budget in passes over the training data.",
    ),
    click.option(
        "--ensemble",
        type=click.IntRange(0, 100),
        default=0,
        show_default=True,
        help="Teacher networks to train first; the exported student learns from them. It is better "
        "and takes that many times --epochs more, or the same --minutes.",
    ),
)
_RUN = (
    click.option("--resume", type=PATH, metavar="RUN", help="Go on with the run in this folder."),
    click.option(
        "--run", type=PATH, metavar="DIR", help="Run folder; else runs/<command>-<number>."
    ),
    DEVICE,
    THREADS,
    click.option(
        "--seed",
        type=click.IntRange(0, 2**63 - 1),
        default=0,
        show_default=True,
        help="Same seed, data and options: the same model, on the CPU and with --epochs.",
    ),
)
_MODEL = (
    click.option("--hidden", type=click.IntRange(1, 8192), help="Width of each layer."),
    click.option("--layers", type=click.IntRange(1, 16), help="Number of recurrent layers."),
    click.option("--embedding", type=click.IntRange(1, 8192), help="Width of the embedding."),
)
_OPTIMIZER = (
    click.option("--batch", type=click.IntRange(1, 65536), help="Streams, or texts, in one batch."),
    click.option("--learning-rate", type=click.FloatRange(0, 10, min_open=True), help="Its peak."),
    click.option(
        "--validate-every",
        type=click.FloatRange(0),
        metavar="SECONDS",
        help="Time between validations; each also writes a checkpoint.",
    ),
)


@main.command()
@_shared("charlm")
@click.option(
    "--min-count",
    type=click.IntRange(1),
    default=1,
    help="Replace rarer characters by one unknown token.",
)
@click.option(
    "--init-from",
    type=PATH,
    metavar="RUN",
    help="Warm start from that run's weights: fine-tune on another text.",
)
@click.option(
    "--teacher",
    type=PATH,
    multiple=True,
    metavar="FILE.onnx",
    help="Also learn the soft targets of this exported model. May be given several times.",
)
@click.option(
    "--head", type=click.IntRange(0, 65536), help="Width of an MLP before the logits; 0: none."
)
@click.option("--skip/--no-skip", default=None, help="The head reads all layers, or only the last.")
@click.option(
    "--window", type=click.IntRange(2, 65536), help="Characters of truncated backpropagation."
)
@click.option("--dropout-input", type=_RATE, help="Dropout on the embedding.")
@click.option("--dropout-layer", type=_RATE, help="Dropout between layers.")
@click.option("--dropout-output", type=_RATE, help="Dropout before the head.")
@click.option("--weight-drop", type=_RATE, help="Dropout on the recurrent matrices.")
@click.option(
    "--muon",
    type=click.FloatRange(0, 100),
    help="Rate of Muon on the LSTM's matrices, in multiples of --learning-rate; 0: AdamW.",
)
@click.option("--average", type=_RATE, help="Decay of the moving average of the weights.")
@click.option("--weight-decay", type=click.FloatRange(0, 10), help="Weight decay of matrices.")
@click.option(
    "--capture/--no-capture",
    default=None,
    help="On CUDA: capture a step's passes as a CUDA graph and replay it, or launch each kernel.",
)
def charlm(**options: Any) -> None:
    """Train a character LSTM: it writes in the voice of a text.

    SRC is a text file (UTF-8), a folder or a glob of them, or a named set: `python` (the standard
    library's source, the default; nothing to download) or `tinyshakespeare` (downloaded once).

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
    own = {name: options.pop(name) for name in ("min_count", "init_from", "teacher")}

    def request(common: _Options) -> Any:
        from rnn_train.tasks.request import CharLMRequest

        own["teachers"] = own.pop("teacher")
        return CharLMRequest(**common, **own)

    shape = ("hidden", "layers", "embedding", "head", "skip", "weight_drop")
    dropout = ("dropout_input", "dropout_layer", "dropout_output")
    training = (*_TRAINING, "window", "muon", "average", "weight_decay", "capture")
    _run("charlm", options, request, model=shape + dropout, training=training)


@main.command()
@_shared("classifier")
@click.option(
    "--cell", help="elman, gru, lstm, mingru, or your own class as package.module:MyCell."
)
@click.option("--ngrams", type=click.IntRange(1, 8), help="Longest n-gram with its own vector.")
@click.option(
    "--evidence",
    type=click.IntRange(1, 8),
    help="Longest n-gram whose naive-Bayes weight of evidence is read.",
)
@click.option(
    "--pool/--no-pool",
    default=None,
    help="Also read the running mean and maximum of the states.",
)
@click.option("--dropout", type=_RATE, help="Dropout before and after the recurrent layers.")
@click.option(
    "--balance",
    type=click.FloatRange(0, 1),
    help="Favour rare labels: 1 assumes equally frequent labels.",
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
    balance = options.pop("balance")

    def request(common: _Options) -> Any:
        from rnn_train.tasks.request import ClassifierRequest

        return ClassifierRequest(**common, balance=balance)

    shape = ("cell", "hidden", "layers", "embedding", "pool", "dropout", "ngrams", "evidence")
    _run("classifier", options, request, model=shape, training=_TRAINING)


def _run(
    command: str,
    options: _Options,
    request: Callable[[_Options], Any],
    model: tuple[str, ...],
    training: tuple[str, ...],
) -> None:
    """Starts or resumes a run.

    Args:
        request: makes the kind's request from the common fields.
        model, training: names of the options that set fields of the two configs.
    """

    def given(names: tuple[str, ...]) -> _Options:
        return {name: options[name] for name in names if options[name] is not None}

    def work() -> None:
        from rnn_train import pipeline

        if options["resume"]:
            _refuse_changes()
            kept = {name: options[name] if _is_given(name) else None for name in _RESUMABLE}
            pipeline.resume(options["resume"], kind=command, log=click.echo, **kept)
            return
        if options["minutes"] and options["epochs"]:
            raise OptionsError("--minutes and --epochs exclude each other; give one of them")
        common = {name: options[name] for name in _COMMON}
        asked = request(common | {"model": given(model), "training": given(training)})
        settings = {name: options[name] for name in _RESUMABLE}
        pipeline.train(asked, folder=options["run"], log=click.echo, **settings)

    guarded(work)


def _refuse_changes() -> None:
    """A resumed run keeps its options: to ignore others silently would surprise."""
    for name in click.get_current_context().params:
        if name not in ("resume", *_RESUMABLE) and _is_given(name):
            option = "--" + name.replace("_", "-")
            raise OptionsError(f"--resume goes on with the run as it was asked; drop {option}")


def _is_given(name: str) -> bool:
    source = click.get_current_context().get_parameter_source(name)
    return source is click.core.ParameterSource.COMMANDLINE
