"""Commands whose standard output is closed, is full, or does not exist."""

import json
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .operation import redirect

STATES = ("output closed", "output full", "no console")
"""`>&-`, `> /dev/full`, and pythonw, where Python has no standard files."""


@dataclass(frozen=True)
class Printing:
    """A command."""

    name: str
    main: Any
    """The group of commands."""
    arguments: Sequence[str]
    """Of the command. `{0}` is the folder."""
    prepare: Callable[[Path], None]
    """Makes the files that it needs."""
    writes: str | None = None
    """File that is the result. None: the result goes to standard output."""


def try_output(printing: Printing, state: str) -> dict[str, Any]:
    """Runs a command in a process of its own, and returns a row of the result."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve() / "work"
        printing.prepare(folder)
        before = _content(printing, folder)
        report = folder.parent / "report.json"
        child = os.fork()
        if child == 0:
            _serve(printing, state, folder, report)
        os.waitpid(child, 0)
        found = json.loads(report.read_text("utf-8"))
        said = (folder.parent / "stderr.txt").read_text("utf-8")
        written = _content(printing, folder) != before
        problem = _problem(printing, state, found["code"], found["trace"] or said, written)
    kind = "foreign" if problem else "error" if found["code"] else "done"
    return {
        "operation": printing.name,
        "fault": state,
        "calls": 1,
        "outcomes": {kind: 1},
        "places": {"standard output": 1},
        "messages": [said],
        "problems": [problem] if problem else [],
    }


def _content(printing: Printing, folder: Path) -> bytes | None:
    path = folder / (printing.writes or "")
    return path.read_bytes() if path.is_file() else None


def _serve(printing: Printing, state: str, folder: Path, report: Path) -> None:
    """Does the work of the forked process, and ends it."""
    trace, code = "", 1
    redirect(2, folder.parent / "stderr.txt")
    sys.stdout, sys.stderr = _stream(1, state), _stream(2, state)
    try:
        printing.main.main(
            [each.format(folder) for each in printing.arguments], prog_name="program"
        )
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        trace = traceback.format_exc()
    report.write_text(json.dumps({"code": code, "trace": trace}), "utf-8")
    os._exit(0)


def _stream(number: int, state: str) -> Any:
    """Opens a standard file as the interpreter does at the start of a program."""
    if state == "no console":
        return None
    if number == 1:
        if state == "output closed":
            with suppress(OSError):
                os.close(1)
            return None
        redirect(1, Path("/dev/full"))
    return open(number, "w", encoding="utf-8", closefd=False)


def _problem(printing: Printing, state: str, code: int, said: str, written: bool) -> str | None:
    """Says what is wrong with the end of a command; None: nothing."""
    lines = [line for line in said.splitlines() if line.startswith("Error: ")]
    if "Traceback" in said:
        return said
    if printing.writes and state != "output full":
        return None if code == 0 and written else f"its file is not written (code {code}): {said}"
    if code == 0:
        return "it ends with 0, and its result is nowhere"
    if state == "no console":
        return None
    if len(lines) != 1 or "; " not in lines[0]:
        return f"no line with a cure: {said}"
    if printing.writes and written != ("is written, and whole" in said):
        return f"it is {'' if written else 'not '}written, and this is said: {said}"
    return None
