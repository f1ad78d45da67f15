"""One attempt: an operation in a process of its own, with one fault, and what is left after it."""

import fnmatch
import json
import math
import os
import random
import re
import shutil
import signal
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .operation import Answer, Operation, Tree, redirect, tree
from .shim import ALLOCATE, Fault, Shim

ROOT = Path(__file__).parents[2]
LIBRARY = "another library fails"
"""An allocation of Python fails inside another library, which dies of it or hides the reason."""
_PATIENCE = 60
"""Seconds after which an operation hangs."""


@dataclass
class Tried:
    """What came of one fault at each of an operation's calls."""

    operation: str
    fault: str
    calls: int = 0
    """Calls that the operation makes."""
    outcomes: Counter[str] = field(default_factory=Counter)
    places: Counter[str] = field(default_factory=Counter)
    """Calls that failed, by name."""
    messages: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def try_all(shim: Shim, operation: Operation, fault: Fault, seconds: float) -> Tried:
    """Tries a fault at the first call of an operation, the second, … until it meets no fault.

    Args:
        seconds: if it would take longer, every second, third, … call is tried.
    """
    result = Tried(operation.name, fault.name)
    with tempfile.TemporaryDirectory() as name:
        home = Path(name).resolve()
        operation.prepare(home / "before")
        started = time.monotonic()
        plain = _attempt(shim, operation, fault, 0, home, None)
        each = 2 * (time.monotonic() - started)  # most attempts do the work twice
        if plain["kind"] != "done":
            raise RuntimeError(f"{operation.name} fails without a fault: {plain}")
        result.calls = plain["met"]
        step = max(1, math.ceil(result.calls * each / seconds))
        nth = random.Random(f"{operation.name} {fault.name}").randint(
            1, max(1, min(step, result.calls))
        )
        while True:
            found = _attempt(shim, operation, fault, nth, home, plain["what"])
            if not found["injected"]:
                return result
            _count(result, found, nth)
            nth += step


def _count(result: Tried, found: dict[str, Any], nth: int) -> None:
    result.outcomes[found["kind"]] += 1
    result.places[found["where"]] += 1
    if found["kind"] == "error" and (text := found["what"]) not in result.messages:
        result.messages.append(text)
    for problem in found["problems"]:
        result.problems.append(f"call {nth} ({found['where']}): {problem}")


def _attempt(
    shim: Shim, operation: Operation, fault: Fault, nth: int, home: Path, right: str | None
) -> dict[str, Any]:
    """Runs an operation in a forked process, and reads what it reports."""
    work = home / "work"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(home / "before", work)
    report = home / "report.json"
    report.unlink(missing_ok=True)
    (home / "died.txt").unlink(missing_ok=True)
    found: dict[str, Any]
    child = os.fork()
    if child == 0:
        try:
            found = _serve(shim, operation, fault, nth, work, right)
        except BaseException:
            found = {"kind": "foreign", "problems": [traceback.format_exc()], "injected": 1}
        report.write_text(json.dumps({"where": "", **found}), "utf-8")
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        left = _left(operation, tree(home / "before"), work)
        return _killed(fault, os.WTERMSIG(status), left, home / "died.txt")
    found = json.loads(report.read_text("utf-8"))
    return found


def _killed(fault: Fault, number: int, left: list[str], died: Path) -> dict[str, Any]:
    """Returns what came of a process that a signal has ended."""
    found = {"kind": "ended by SIGTERM", "problems": left, "injected": 1, "where": "a call"}
    if number == signal.SIGTERM and fault.name == "SIGTERM":
        return found
    place = Path(died.read_text("utf-8")).name if died.exists() else "an unknown place"
    if fault.calls & ALLOCATE and number == signal.SIGSEGV:
        # The package has no code in C. As after SIGKILL, a temporary file may be left.
        left = [each for each in left if ".part is new" not in each]
        return found | {"kind": LIBRARY, "problems": left, "where": place}
    said = f"died of signal {number} in {place}"
    return found | {"kind": "foreign", "problems": [said, *left], "where": place}


def _serve(
    shim: Shim,
    operation: Operation,
    fault: Fault,
    nth: int,
    work: Path,
    right: str | None,
) -> dict[str, Any]:
    """Does the work of the forked process, and returns what it reports."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.alarm(_PATIENCE)
    shim.report_death(work.parent / "died.txt")
    before = tree(work)
    tempfile.tempdir = str(work)
    redirect(2, work.parent / "stderr.txt")
    answer = _run(operation, operation.run, work, lambda: shim.arm(work, fault, nth), shim.disarm)
    answer = _judged(answer, fault)
    facts = {"met": shim.met, "injected": shim.injected, "where": shim.where}
    problems = _problems(operation, answer, before, work, right)
    then = answer
    if answer.kind != "done":
        # The same operation works in the same process, once the cause is away.
        then = _run(operation, operation.again or operation.run, work)
        same = operation.again is not None or then.what == right
        if then.kind != "done" or not same:
            problems.append(f"afterwards: {then.kind}: {then.what[-600:]}")
    found = {"kind": answer.kind, "what": answer.what, "problems": problems}
    return found | facts


def _run(
    operation: Operation,
    run: Callable[[Path], Answer],
    work: Path,
    before: Callable[[], None] = lambda: None,
    after: Callable[[], None] = lambda: None,
) -> Answer:
    """Runs an operation. Its standard output, if it has one, is the result."""
    if operation.out:
        redirect(1, work / operation.out)
    try:
        before()
        answer = run(work)
    except MemoryError:  # it came before or after the operation
        answer = Answer("MemoryError", traceback.format_exc())
    finally:
        after()
    if operation.out and answer.kind == "done":
        return Answer("done", (work / operation.out).read_text("utf-8"))
    return answer


def _judged(answer: Answer, fault: Fault) -> Answer:
    """Only without memory may there be a MemoryError, or what another library has made of it."""
    if not fault.calls & ALLOCATE:
        return Answer("foreign", answer.what) if answer.kind == "MemoryError" else answer
    if answer.kind == "foreign":
        *_, deepest = re.findall(r'File "([^"]+)"', answer.what) or [str(ROOT)]
        if "Error: " in answer.what and not Path(deepest).is_relative_to(ROOT):
            return Answer(LIBRARY, answer.what)
    return answer


def _problems(
    operation: Operation, answer: Answer, before: Tree, work: Path, right: str | None
) -> list[str]:
    if answer.kind == "foreign":
        return [answer.what[-1500:], *_left(operation, before, work)]
    if answer.kind == "done":
        return [] if right is None or answer.what == right else [f"another result: {answer.what}"]
    return [*_left(operation, before, work), *_untold(operation, answer, before, work)]


def _untold(operation: Operation, answer: Answer, before: Tree, work: Path) -> list[str]:
    """Finds a message that does not say whether the old file or the new one is there."""
    name = operation.replaces
    if name is None or answer.kind not in ("error", "interrupted"):
        return []
    replaced = (work / name).read_bytes() != before[name]
    if replaced == ("is written, and whole" in answer.what):
        return []
    return [f"{name} is {'new' if replaced else 'old'}, and this is said: {answer.what}"]


def _left(operation: Operation, before: Tree, work: Path) -> list[str]:
    """Finds files that are new, changed or gone after an error."""
    after = tree(work)
    changed = [
        name
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
        and not any(fnmatch.fnmatch(name, pattern) for pattern in operation.may_change)
    ]
    found = [f"{name} is {'new' if name not in before else 'other or gone'}" for name in changed]
    wrong = operation.check(work)
    return found + ([wrong] if wrong else [])
