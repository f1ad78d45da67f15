"""Operations to disturb: what they need, what they do, and what they may leave behind."""

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rnn_infer.errors import RnnInferError

Tree = dict[str, bytes]
"""Content of each file, by its path in a folder."""


@dataclass(frozen=True)
class Answer:
    """How an operation ended."""

    kind: str
    """`done`, `error` (of the package, in one line), `MemoryError` (of Python, from a call of the
    library), `interrupted` or `foreign`."""
    what: str
    """What came out; the message; or the traceback."""


@dataclass(frozen=True)
class Operation:
    """One operation of a user."""

    name: str
    run: Callable[[Path], Answer]
    """Works in a folder."""
    prepare: Callable[[Path], None]
    """Makes the files that it needs."""
    may_change: Sequence[str] = ()
    """Patterns of files that may be new or other after an error."""
    again: Callable[[Path], Answer] | None = None
    """What a user does after an error; None: the same."""
    check: Callable[[Path], str | None] = field(default=lambda _: None)
    """Finds what is wrong with the files that may change."""
    out: str | None = None
    """File of the standard output of a command."""
    depth: float = 1.0
    """Multiplies the seconds: a slow operation needs more of them."""
    replaces: str | None = None
    """File that is replaced. An error after that must say so."""


def called(function: Callable[[], Any], own: tuple[type[Exception], ...] = ()) -> Answer:
    """Calls a library function, and tells how it ended.

    Args:
        function: what it returns is turned into text.
        own: the errors that are allowed, beside those of `rnn_infer`.
    """
    expected: tuple[type[Exception], ...] = (RnnInferError, *own)
    try:
        return Answer("done", str(function()))
    except expected as error:
        message = str(error)
        if "\n" in message or "; " not in message:
            return Answer("foreign", f"no line with a cure: {message}")
        return Answer("error", message)
    except KeyboardInterrupt:
        return Answer("interrupted", "")
    except MemoryError:
        return Answer("MemoryError", traceback.format_exc())
    except BaseException:
        return Answer("foreign", traceback.format_exc())


def commanded(main: Any, arguments: Sequence[str]) -> Answer:
    """Runs a command in this process, as its program would.

    Args:
        main: the group of commands.
        arguments: of the command.
    """
    os.ftruncate(2, 0)
    sys.stdout, sys.stderr = _stream(1), _stream(2)
    code = 0
    try:
        main.main(list(arguments), prog_name="program")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        return Answer("foreign", traceback.format_exc())
    try:
        sys.stdout.flush()
    except OSError as error:  # the interpreter would say so at its end, in two lines
        return Answer("foreign", f"output is lost without an error of the package: {error}")
    finally:
        sys.stdout = sys.__stdout__
    said = os.pread(2, 1 << 20, 0).decode()
    if code == 0:
        return Answer("done", "")
    if code == 130:
        return Answer("interrupted", said)
    lines = [line for line in said.splitlines() if line.startswith("Error: ")]
    if len(lines) != 1 or "Traceback" in said or "; " not in lines[0]:
        return Answer("foreign", f"no line with a cure: {said}")
    return Answer("error", lines[0].removeprefix("Error: "))


def redirect(number: int, path: Path) -> None:
    """Does what a shell does for `> path` (1) or `2> path` (2)."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    os.dup2(descriptor, number)
    os.close(descriptor)


def _stream(number: int) -> Any:
    # As the interpreter opens it at the start of a program.
    return open(number, "w", encoding="utf-8", closefd=False)


def tree(folder: Path) -> Tree:
    """Reads all files of a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
