"""`rnn-infer`: options in, one library call, errors to one line."""

import dataclasses
import json
import sys
import warnings
from collections.abc import Callable
from functools import wraps
from itertools import islice
from typing import Any, NoReturn

import click

import rnn_infer
from rnn_infer import inspection
from rnn_infer.cli.inputs import read_text, read_texts
from rnn_infer.cli.terminal import bar, print_prediction, print_trace, short
from rnn_infer.errors import RnnInferError
from rnn_infer.runtime.device import DEVICES
from rnn_infer.runtime.providers import offers_cuda
from rnn_infer.runtime.stepper import Stepper
from rnn_infer.sampling import MAX_SEED
from rnn_infer.text.vocabulary import UNKNOWN_POLICIES

_ROWS = 4096
"""Texts classified at a time, so that memory does not grow with the input."""


class _Group(click.Group):
    """Says what is wrong with the options in one line, where click prints the usage too."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            command = f"{ctx.command_path} {ctx.invoked_subcommand}"
            path = error.ctx.command_path if error.ctx else command
            message = " ".join(error.format_message().split())
            raise _OptionsError(f"{message} See: {path} --help") from None


class _OptionsError(click.ClickException):
    exit_code = click.UsageError.exit_code


@click.group(
    cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
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
    """A command whose library errors become one line and exit code 1."""

    @wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("default", RuntimeWarning)
                warnings.showwarning = _warn  # type: ignore[assignment]
                function(*args, **kwargs)
        except RnnInferError as error:
            _fail(str(error))
        except UnicodeDecodeError as error:
            _fail(f"the input is not UTF-8 at byte {error.start}; convert it with iconv")
        except UnicodeEncodeError as error:
            _fail(f"the answer cannot be written as {error.encoding}; set PYTHONIOENCODING=utf-8")

    return main.command()(guarded)


def _warn(message: Warning | str, *_: Any) -> None:
    click.echo(f"warning: {message}", err=True)


def _fail(message: str) -> NoReturn:
    raise click.ClickException(message)


def _unicode(_: click.Context, __: click.Parameter, value: Any) -> Any:
    """Refuses an argument of other bytes than UTF-8, which Python keeps as half surrogate pairs."""
    for text in (value,) if isinstance(value, str) else value or ():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise click.BadParameter("is not UTF-8; convert it with iconv.") from None
    return value


def _model(function: Any) -> Any:
    """The options of every command that loads a model."""
    for option in (
        click.option("--threads", type=click.IntRange(1, 1024), default=1, show_default=True),
        click.option(
            "--device",
            type=click.Choice(DEVICES),
            default="auto",
            show_default=True,
            help="auto: CUDA where it works and is worth it.",
        ),
        click.option("--model", required=True, metavar="FILE", help="The .onnx file."),
    ):
        function = option(function)
    return function


def _say_device(asked: str, taken: str) -> None:
    """Where there was a choice, and it was left to us."""
    if asked == "auto" and offers_cuda():
        click.echo(f"device: {taken}", err=True)


_json = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
_unknown = click.option(
    "--unknown",
    type=click.Choice(UNKNOWN_POLICIES),
    default="default",
    show_default=True,
    help="Characters outside the vocabulary: as the file says, refuse, drop, or nearest known.",
)


@_command
@_model
@click.option(
    "--prompt", default="", callback=_unicode, help="Text to go on from; - reads standard input."
)
@click.option("--length", type=click.IntRange(1), default=500, show_default=True)
@click.option("--temperature", type=float, default=0.8, show_default=True, help="0: greedy.")
@click.option("--top-k", type=int, default=0, show_default=True, help="0: off.")
@click.option("--top-p", type=float, default=1.0, show_default=True, help="1: off.")
@click.option("--seed", type=click.IntRange(0, MAX_SEED - 1), help="Sample i draws with seed + i.")
@click.option("--count", type=click.IntRange(1, 100_000), default=1, show_default=True)
@click.option(
    "--stop",
    multiple=True,
    callback=_unicode,
    help="End before this text; may be given several times.",
)
@_unknown
@_json
def generate(
    model: str, device: Any, threads: int, prompt: str, count: int, as_json: bool, **options: Any
) -> None:
    """Draw text from a character model. It streams to standard output as it is drawn.

    \b
    Examples:
      rnn-infer generate --model exported/charlm.onnx --prompt "ROMEO:" --seed 1
      rnn-infer generate --model exported/charlm.onnx --count 5 --length 80 --json
      rnn-infer generate --model exported/charlm.onnx --prompt - < start.txt
    """
    lm = rnn_infer.CharLM.load(model, device=device, threads=threads, streams=count)
    _say_device(device, lm.device)
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
            _print_json(sample)
        else:
            click.secho(f"── seed {sample.seed}", dim=True)
            click.echo(sample.text)


@_command
@_model
@click.argument("texts", nargs=-1, metavar="[TEXT]...", callback=_unicode)
@click.option(
    "--input", "source", metavar="FILE", help="Texts from a file: .csv/.tsv, .jsonl, lines; or -."
)
@click.option("--top", type=click.IntRange(1), default=3, show_default=True)
@click.option("--prior", type=float, default=0.0, show_default=True, help="1: all labels alike.")
@click.option(
    "--min-probability",
    type=float,
    default=0.0,
    show_default=True,
    metavar="P",
    help="Name no label that is less likely.",
)
@click.option("--trace", is_flag=True, help="The belief after each character.")
@_unknown
@_json
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
    """Name the label of each text.

    \b
    Examples:
      rnn-infer classify --model exported/classifier.onnx Schmidhuber "O'Neill"
      rnn-infer classify --model exported/classifier.onnx Nakamura --trace
      rnn-infer classify --model exported/classifier.onnx Jones --min-probability 0.9
      rnn-infer classify --model exported/classifier.onnx --input names.csv --json > answers.jsonl
    """
    if bool(texts) == (source is not None):
        raise click.UsageError("give texts, or --input FILE, one of the two")
    given = iter(texts) if source is None else read_texts(source)
    streams = len(texts) if source is None else _ROWS
    classifier = rnn_infer.Classifier.load(model, device=device, threads=threads, streams=streams)
    _say_device(device, classifier.device)
    if trace:
        for text in given:
            steps = classifier.trace(text, **options)
            if as_json:
                _print_json({"text": text, "trace": [_answer(each) for each in steps]})
            else:
                print_trace(text, steps)
        return
    while batch := list(islice(given, _ROWS)):
        for prediction in classifier.classify(batch, **options):
            if as_json:
                _print_json(_answer(prediction))
            else:
                print_prediction(prediction)


@_command
@_model
@click.argument("file", metavar="FILE|-")
@_unknown
@_json
def score(model: str, device: Any, threads: int, file: str, unknown: Any, as_json: bool) -> None:
    """Say how well a character model foretells a text, read once from start to end.

    \b
    Examples:
      rnn-infer score --model exported/charlm.onnx held-out.txt
      cat poem.txt | rnn-infer score --model exported/charlm.onnx - --json
    """
    lm = rnn_infer.CharLM.load(model, device=device, threads=threads, streams=1)
    _say_device(device, lm.device)
    result = lm.score(read_text(file), unknown=unknown)
    row = {
        "nats_per_char": result.nats_per_char,
        "bits_per_char": result.bits_per_char,
        "perplexity": result.perplexity,
        "characters": result.characters,
    }
    if as_json:
        _print_json(row)
        return
    for name, value in row.items():
        click.echo(f"{name.replace('_', ' '):15} {value:,.4f}".removesuffix(".0000"))


@_command
@_model
@click.option(
    "--prompt", required=True, callback=_unicode, help="The text before; - reads standard input."
)
@click.option("--top", type=click.IntRange(1), default=5, show_default=True)
@_unknown
@_json
def next(  # noqa: A001  (the command's name)
    model: str, device: Any, threads: int, prompt: str, top: int, unknown: Any, as_json: bool
) -> None:
    """Show which characters may follow a text.

    \b
    Example:
      rnn-infer next --model exported/charlm.onnx --prompt "To be or not to b"
    """
    lm = rnn_infer.CharLM.load(model, device=device, threads=threads, streams=1)
    _say_device(device, lm.device)
    if prompt == "-":
        prompt = read_text("-")
    found = lm.next(prompt, top, unknown=unknown)
    if as_json:
        _print_json({"prompt": prompt, "top": [dataclasses.asdict(each) for each in found]})
        return
    for each in found:
        click.echo(f"{each.char!r:8} {each.probability:6.1%} {bar(each.probability)}")


@_command
@_model
@_json
def show(model: str, device: Any, threads: int, as_json: bool) -> None:
    """Say what a model file is: kind, size, vocabulary, training, proof.

    \b
    Example:
      rnn-infer show --model exported/charlm.onnx
    """
    facts = inspection.describe(Stepper.open(model, device=device, threads=threads))
    if as_json:
        _print_json(facts)
        return
    for name, value in facts.items():
        if isinstance(value, dict):
            click.echo(f"{name}:")
            for key, each in value.items():
                click.echo(f"  {short(key):28} {short(each)}")
        else:
            shown = "".join(value) if name == "vocabulary" else value
            click.echo(f"{name:14} {short(shown)}")


@_command
@_model
@_json
def verify(model: str, device: Any, threads: int, as_json: bool) -> None:
    """Run a model file's recorded vectors again; exit code 1 where the answers differ.

    \b
    Example:
      rnn-infer verify --model exported/charlm.onnx
    """
    result = inspection.verify(Stepper.open(model, device=device, threads=threads))
    if as_json:
        _print_json(result)
    else:
        difference = result["logits_difference"]
        within = "are no numbers" if difference is None else f"within {difference:.2g}"
        click.echo(
            f"{'ok' if result['ok'] else 'FAILED'}: logits {within}"
            + {True: ", same tokens drawn", False: ", other tokens drawn", None: ""}[
                result["same_generated"]
            ]
            + f", on {result['device']}"
        )
    if not result["ok"]:
        sys.exit(1)


@_command
@_json
def doctor(as_json: bool) -> None:
    """Say what is installed, which devices really work, and what to run next.

    \b
    Example:
      rnn-infer doctor
    """
    findings = inspection.examine()
    if as_json:
        _print_json(findings)
    else:
        for name, value in findings.items():
            click.echo(f"{name.replace('_', ' '):14} {value if value else '–'}")
    if not findings["ok"]:
        sys.exit(1)


def _answer(prediction: rnn_infer.Prediction) -> dict[str, Any]:
    return {
        "text": prediction.text,
        "label": prediction.label,
        "probability": prediction.probability,
        "top": [each._asdict() for each in prediction.top],
    }


def _print_json(value: Any) -> None:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    try:
        click.echo(json.dumps(value, ensure_ascii=False, allow_nan=False))
    except ValueError as error:
        if isinstance(error, UnicodeError):
            raise
        _fail("the answer is infinite, which JSON cannot say; leave --json out")
