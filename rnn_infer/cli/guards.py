"""Guards around commands: every error and every warning becomes one line."""

import sys
import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any, NoReturn

import click

from rnn_infer.errors import RnnInferError


class OneLineGroup(click.Group):
    """A group of commands that reports wrong options in one line. click would add the usage."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            command = f"{ctx.command_path} {ctx.invoked_subcommand}"
            path = error.ctx.command_path if error.ctx else command
            message = " ".join(error.format_message().split())
            message += "" if message.endswith((".", "?")) else "."
            raise _OptionsError(f"{message} See: {path} --help") from None


class _OptionsError(click.ClickException):
    exit_code = click.UsageError.exit_code


def guarded(function: Callable[..., None]) -> Callable[..., None]:
    """Wrap a command: an error of the library becomes one line and exit code 1."""

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("default", RuntimeWarning)
                warnings.showwarning = _warn  # type: ignore[assignment]
                function(*args, **kwargs)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            sys.exit(130)
        except RnnInferError as error:
            fail(str(error))
        except UnicodeDecodeError as error:
            fail(f"the input is not UTF-8 at byte {error.start}; convert it with iconv")
        except UnicodeEncodeError as error:
            fail(f"the output cannot be written as {error.encoding}; set PYTHONIOENCODING=utf-8")

    return run


def command(function: Callable[..., None]) -> click.Command:
    """Make a guarded command of a function. The function's name is the command's name."""
    return click.command()(guarded(function))


def fail(message: str) -> NoReturn:
    """End the command with one line on standard error and exit code 1."""
    raise click.ClickException(message)


def _warn(message: Warning | str, *_: Any) -> None:
    click.echo(f"warning: {message}", err=True)
