"""The command group, and what every command does with an error."""

import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import click

from rnn_infer import __version__
from rnn_infer.cli.guards import OneLineGroup
from rnn_train.distributed.environment import Place, place
from rnn_train.errors import Interrupted, RnnTrainError

_EXTRA = "rnn-train needs the train extra; run: pip install 'rnn-infer[train,cpu]'"


class OptionsError(click.ClickException):
    """Options that do not go together: one line, exit code 2."""

    exit_code = 2


class TrainGroup(OneLineGroup):
    """The commands, of which process 0 of torchrun runs one; the other processes help it."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command, or do what the command in process 0 needs."""
        try:
            own = place()
        except RnnTrainError as error:
            click.echo(f"Error: {error}", err=True)
            sys.exit(2)
        if own.size == 1:
            return super().main(*args, **kwargs)
        if own.rank:
            from rnn_train.worker import work

            _leave(work(own))
        try:
            return self._lead(own, *args, **kwargs)
        except SystemExit as end:
            if isinstance(end.code, int | None):
                _leave(end.code or 0)
            raise

    def _lead(self, own: Place, *args: Any, **kwargs: Any) -> Any:
        """Run a command in process 0, and end the other processes after it."""
        from rnn_train.distributed.group import Group
        from rnn_train.training.shared.crew import Crew

        try:
            crew = Crew(Group(own))
            try:
                return super().main(*args, obj=crew, **kwargs)
            finally:
                crew.dismiss()
        except RnnTrainError as error:
            click.echo(f"Error: {error}", err=True)
            sys.exit(1)


def _leave(code: int) -> NoReturn:
    """Ends this process at once.

    A thread of gloo may still want the interpreter while that is torn down. It would then end the
    process with SIGABRT, and torchrun would call a finished run a failure.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream:
            stream.flush()
    os._exit(code)


@click.group(
    cls=TrainGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__)
def main() -> None:
    """Train a small recurrent network and export it to one .onnx file.

    \b
    Examples:
      rnn-train charlm --data book.txt --minutes 10
      rnn-train classifier --data names.csv
      rnn-train charlm --resume runs/charlm-1
      rnn-train evaluate exported/charlm.onnx --data unseen.txt
      rnn-train export runs/charlm-1 --out exported/mine.onnx
    """


def guarded(work: Callable[[], None]) -> None:
    """Runs `work`. An error that is raised on purpose becomes one line and exit code 1."""
    try:
        _checked(work)
    except Interrupted:
        sys.exit(130)
    except KeyboardInterrupt as interrupt:
        click.echo("; ".join(["interrupted", *map(str, interrupt.args)]), err=True)
        sys.exit(130)


def _checked(work: Callable[[], None]) -> None:
    try:
        import onnx  # noqa: F401
        import torch  # noqa: F401
    except ModuleNotFoundError as error:
        raise click.ClickException(f"{error.name} is not installed; {_EXTRA}") from None
    from rnn_infer.errors import RnnInferError
    from rnn_train.errors import RnnTrainError
    from rnn_train.training.interrupt import terminable

    try:
        with terminable():
            work()
    except (RnnTrainError, RnnInferError) as error:
        raise click.ClickException(str(error)) from None
