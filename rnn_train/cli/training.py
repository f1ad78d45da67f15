"""The commands `charlm` and `classifier`."""

import time
from collections.abc import Callable
from typing import Any

import click

from rnn_infer.cli.guards import require_output
from rnn_infer.cli.options import typed
from rnn_infer.cli.table_options import TABLE_OPTIONS, table_options, take_table_options
from rnn_train.cli.group import OptionsError, guarded, main
from rnn_train.cli.ngram_options import NGRAM_OPTIONS, ngram_options
from rnn_train.cli.options import PATH, FiniteRange, training_options

_Options = dict[str, Any]
_RESUMABLE = ("out", "device", "threads")
"""Options that a resumed run may change."""
_BUDGET = ("minutes", "epochs")
"""Options that let a finished run go on."""
_COMMON = (
    "data",
    "val_data",
    "val_fraction",
    "minutes",
    "epochs",
    "seed",
    "ensemble",
    "init_from",
    "temperature",
)
"""Options that are fields of every request."""
_TRAINING = ("batch", "learning_rate", "validate_every")
"""Options of both commands that are fields of `TrainingConfig`."""
_RATE = FiniteRange(0, 1, max_open=True)


@main.command()
@training_options("charlm")
@click.option(
    "--min-count",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Characters seen fewer times become one unknown token.",
)
@click.option(
    "--separator",
    callback=typed,
    metavar="TEXT",
    help=r"Text between two files; \n is a line end. Default: a line end, if there is none.",
)
@click.option(
    "--documents",
    type=click.Choice(["line", "file"]),
    help="Each line or each file is a text of its own (a name, a title, a poem): the model starts "
    "afresh with each, and learns where it ends.",
)
@click.option(
    "--learn-held-out/--no-learn-held-out",
    default=True,
    show_default=True,
    help="The last fifth of the run learns the held-out text too, after it was measured.",
)
@click.option(
    "--teacher",
    type=PATH,
    multiple=True,
    metavar="FILE.onnx",
    help="Learn the soft targets of this exported model too; may be given several times.",
)
@click.option(
    "--head",
    type=click.IntRange(0, 65536),
    help="Width of a hidden layer between the LSTM and the logits. 0: none.",
)
@click.option(
    "--skip/--no-skip", default=None, help="The logits read all layers, or only the last one."
)
@click.option(
    "--window", type=click.IntRange(2, 65536), help="Characters in a window of truncated BPTT."
)
@click.option("--dropout-input", type=_RATE, help="Dropout on the embedding.")
@click.option("--dropout-layer", type=_RATE, help="Dropout between layers.")
@click.option("--dropout-output", type=_RATE, help="Dropout before the logits.")
@click.option("--weight-drop", type=_RATE, help="Dropout on the weights of the recurrent matrices.")
@click.option(
    "--muon",
    type=FiniteRange(0, 100),
    help="Learning rate of Muon for the LSTM's matrices, as a multiple of --learning-rate. 0: use "
    "AdamW.",
)
@click.option("--average", type=_RATE, help="Decay of the moving average of the weights.")
@click.option("--weight-decay", type=FiniteRange(0, 10), help="Weight decay of all matrices.")
@click.option(
    "--capture/--no-capture",
    default=None,
    help="On CUDA: replay each training step as a CUDA graph, or launch each kernel.",
)
def charlm(**options: Any) -> None:
    """Train a character LSTM: it writes in the style of a text.

    SRC is a text file (UTF-8), a folder or a glob of text files, or a named set: `python` (the
    source of the standard library, the default) or `tinyshakespeare` (downloaded once).

    \b
    Examples:
      rnn-train charlm                                     the Python standard library
      rnn-train charlm --data book.txt --minutes 10
      rnn-train charlm --data book.txt --dry-run           what was read, what would be trained
      rnn-train charlm --data 'plays/*.txt' --val-data held-out.txt --epochs 20
      rnn-train charlm --resume runs/charlm-1              after Ctrl-C or a crash
      rnn-train charlm --resume runs/charlm-1 --minutes 10 go on with a finished run
      rnn-train charlm --data poems/ --separator '\\n\\n'
      rnn-train charlm --data names.txt --documents line
      rnn-train charlm --init-from runs/charlm-1 --data sequel.txt
      rnn-train charlm --data book.txt --ensemble 3 --minutes 120
      rnn-train charlm --teacher one.onnx --teacher two.onnx --data book.txt
      torchrun --nproc-per-node 2 -m rnn_train charlm --data book.txt --run-folder runs/book
    """
    fields = ("min_count", "teacher", "separator", "documents", "learn_held_out")
    own = {name: options.pop(name) for name in fields}

    def request(common: _Options) -> Any:
        from rnn_train.tasks.request import CharLMRequest

        own["teachers"] = own.pop("teacher")
        return CharLMRequest(**common, **own)

    shape = ("hidden", "layers", "embedding", "head", "skip", "weight_drop")
    dropout = ("dropout_input", "dropout_layer", "dropout_output")
    training = (*_TRAINING, "window", "muon", "average", "weight_decay", "capture")
    _run("charlm", options, request, model=shape + dropout, training=training)


@main.command()
@training_options("classifier")
@table_options
@click.option(
    "--cell", help="elman, gru, lstm, mingru, or a class of your own: package.module:MyCell."
)
@ngram_options
@click.option(
    "--pool/--no-pool",
    default=None,
    help="Read the running mean and maximum of the hidden states too.",
)
@click.option("--dropout", type=_RATE, help="Dropout before and after the recurrent layers.")
@click.option(
    "--balance",
    type=FiniteRange(0, 1),
    help="How far to favour rare labels. 1: as if all labels were equally frequent.",
)
@click.option(
    "--max-length",
    type=click.IntRange(1),
    metavar="CHARACTERS",
    help="Read the first characters of a row only; a warning counts the rows that are cut.",
)
def classifier(**options: Any) -> None:
    """Train a recurrent classifier on labelled texts.

    SRC is a .csv or .tsv file with a column of texts and one of labels, a .jsonl or .json file with
    "text" and "label", a folder of <label>.txt files with one text a line, a folder of folders
    <label>/*.txt with one text a file, or the named set `surnames` (the default).

    \b
    Examples:
      rnn-train classifier                                 the set of surnames
      rnn-train classifier --data names.csv --dry-run      what was read, what would be trained
      rnn-train classifier --data names.csv --cell gru
      rnn-train classifier --data tweets.csv --text-column tweet --label-column airline_sentiment
      rnn-train classifier --data names.csv --ensemble 5
      rnn-train classifier --resume runs/classifier-1 --epochs 5
      rnn-train classifier --init-from runs/classifier-1 --data more.csv
      rnn-train classifier --data names.csv --cell mycells:Leaky
      rnn-train classifier --data reviews.csv --max-length 2000
      rnn-train classifier --data reviews/ --epochs 10 --out exported/reviews.onnx
      torchrun --nproc-per-node 2 -m rnn_train classifier --data names.csv --ensemble 4
    """
    own = {name: options.pop(name) for name in ("balance", "max_length", "ngrams_alone")}
    table = {name: options.pop(name) for name in TABLE_OPTIONS}

    def request(common: _Options) -> Any:
        from rnn_train.tasks.request import ClassifierRequest

        return ClassifierRequest(**common, **own, table=take_table_options(table))

    _run("classifier", options, request, model=_CLASSIFIER, training=_TRAINING)


_CLASSIFIER = (
    "cell",
    "hidden",
    "layers",
    "embedding",
    "pool",
    "dropout",
    *NGRAM_OPTIONS,
)
"""Fields of the classifier's config that have an option."""


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

    started = time.monotonic()  # before torch is imported

    def given(names: tuple[str, ...]) -> _Options:
        return {name: options[name] for name in names if options[name] is not None}

    def work() -> None:
        from rnn_train import pipeline

        crew = click.get_current_context().obj
        together: _Options = {"crew": crew} if crew else {}
        if options["minutes"] and options["epochs"]:
            raise OptionsError("--minutes and --epochs exclude each other; drop one of them")
        if options["resume"]:
            _refuse_changes(command)
            kept: _Options = {
                name: options[name] if _is_given(name) else None for name in _RESUMABLE
            }
            kept |= {name: options[name] for name in _BUDGET} | together
            folder = options["resume"]
            pipeline.resume(folder, kind=command, log=click.echo, **kept)
            return
        common = {name: options[name] for name in _COMMON}
        asked = request(common | {"model": given(model), "training": given(training)})
        settings = {name: options[name] for name in _RESUMABLE}
        if options["dry_run"]:
            from rnn_train.preview import preview

            require_output()
            preview(asked, log=click.echo, **settings)
            return
        folder = options["run"]
        settings |= together
        pipeline.train(asked, folder=folder, log=click.echo, started=started, **settings)

    guarded(work)


def _refuse_changes(command: str) -> None:
    """Refuses options that a resumed run would ignore: it keeps the options of its start."""
    params = click.get_current_context().params
    for name in params:
        if name not in ("resume", *_RESUMABLE, *_BUDGET) and _is_given(name):
            option = "--" + name.replace("_", "-")
            cure = f"drop {option}"
            if name in ("data", "val_data"):
                again = f"rnn-train {command} --init-from {params['resume']}"
                cure += f", or train on other data with: {again} {option} …"
            raise OptionsError(f"--resume keeps the options of the run; {cure}")


def _is_given(name: str) -> bool:
    """Whether the option stands on the command line."""
    source = click.get_current_context().get_parameter_source(name)
    return source is click.core.ParameterSource.COMMANDLINE
