"""Guards around commands: every error and every warning becomes one line."""

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn

import click

from rnn_infer.errors import RnnInferError, because, check_memory

_NO_OUTPUT = "the output cannot be written, and is not complete"
_NO_MEMORY = "there is not enough memory; free some, or raise the limit with ulimit -v"


class OneLineGroup(click.Group):
    """A group of commands that reports each error in one line.

    click would add the usage to wrong options, and lets errors of the system pass.
    """

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the program, and end it."""
        try:
            _keep_standard_files()
            return super().main(*args, **kwargs)
        except MemoryError:
            _end(_NO_MEMORY)
        except OSError as error:
            # Errors of inputs have become errors of the library. What is left is output.
            where = f"{error.filename}: cannot be used" if error.filename else _NO_OUTPUT
            _end(f"{where}: {because(error)}")
        except (RuntimeError, SystemError, TypeError) as error:
            try:
                check_memory(error)
            except MemoryError:
                _end(_NO_MEMORY)
            raise

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
        require_output()
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


def require_output() -> None:
    """Fail if the result of a command has nowhere to go: standard output was closed before the
    start, or the program has no console.

    Raises:
        click.ClickException: there is no standard output.
    """
    if sys.stdout is None:
        fail("standard output is closed, and the result goes there; redirect it with > FILE")


@contextmanager
def written(path: Path) -> Iterator[None]:
    """The block prints that a file is written. If that fails, the error says so all the same."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        _end(f"{path} is written, and whole, but standard output is not: {because(error)}")


def _keep_standard_files() -> None:
    """Open what the caller has closed of standard input, output and error, as nothing.

    Otherwise the next file that is opened gets its number, and what a library prints goes into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            with suppress(OSError):
                os.open(os.devnull, os.O_RDWR)  # it gets the lowest number that is free


def _end(message: str) -> NoReturn:
    """End the program with one line, if there is still somewhere to write it."""
    with suppress(OSError, ValueError):
        click.echo(f"Error: {message}", err=True)
    with suppress(OSError, ValueError, AttributeError):
        # What the output still holds would fail once more when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(1)


def command(function: Callable[..., None]) -> click.Command:
    """Make a guarded command of a function. The function's name is the command's name."""
    return click.command()(guarded(function))


def fail(message: str) -> NoReturn:
    """End the command with one line on standard error and exit code 1."""
    raise click.ClickException(message)


def _warn(message: Warning | str, *_: Any) -> None:
    click.echo(f"warning: {message}", err=True)
