"""Opens the task of a run folder, and refuses a folder that has changed or is damaged."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from rnn_train.data.datasets import fingerprint
from rnn_train.errors import DataError, RnnTrainError, RunError
from rnn_train.progress import Log
from rnn_train.tasks.plan import Plan
from rnn_train.tasks.registry import TASKS
from rnn_train.tasks.task import Task
from rnn_train.training import checkpoint
from rnn_train.training.run import Run


@contextmanager
def finished_task(folder: Path, log: Log = print) -> Iterator[Task]:
    """Opens the task of a run, whose model has the averaged weights of the last checkpoint.

    The model is in evaluation mode. The folder stays locked until the context ends.

    Args:
        folder: the run folder.
        log: takes one line of text at a time.

    Raises:
        RunError: there is no whole checkpoint, or config or data have changed since.
    """
    run = Run.open(folder)
    try:
        state = last_state(run, log)
        task = open_task(run)
        task.model.load_state_dict(checkpoint.averaged_weights(state))
        task.model.eval()
        yield task
    finally:
        run.close()


def open_task(run: Run) -> Task:
    """Opens the task of a run folder. Its model has the initial weights.

    Raises:
        RunError: the folder is damaged or of another version.
        CellError: the cell of the model cannot be used.
    """
    kind = run.config().get("command")
    if kind not in TASKS:
        raise RunError(f"{run.folder}/config.json names no known command")
    with _damage_reported(run):
        # A run that was killed before its first checkpoint restarts from the same weights.
        torch.manual_seed(run.config()["training"]["seed"])
        return TASKS[kind](run)


def open_plan(run: Run) -> Plan:
    """Reads what the plans of all kinds share, without data and model.

    Raises:
        RunError: the config is damaged or of another version.
    """
    with _damage_reported(run):
        return Plan.from_config(run.config())


@contextmanager
def _damage_reported(run: Run) -> Iterator[None]:
    """Turns errors of a damaged folder into a `RunError`."""
    try:
        yield
    except RnnTrainError:
        raise  # it already says what to do; some are a ValueError too
    except (KeyError, TypeError, ValueError, FileNotFoundError) as error:
        raise RunError(
            f"{run.folder} is damaged or of another version ({type(error).__name__}: {error}); "
            "start a new run"
        ) from error


def last_state(run: Run, log: Log) -> dict[str, Any]:
    """Loads the newest whole checkpoint, and logs a warning for each damaged one.

    Raises:
        RunError: see `Run.last_state`.
    """
    state, warnings = run.last_state()
    for warning in warnings:
        log(f"warning: {warning}")
    return state


def fingerprints(sources: Sequence[str]) -> dict[str, str | None]:
    """Computes the fingerprint of each source, by source; None: it is missing.

    Raises:
        DataError: a source cannot be read.
    """
    return {source: fingerprint([source]) for source in sources}


def check_sources(run: Run, plan: Plan, log: Log) -> None:
    """Checks that no source has changed. A source may be missing: the run has its own copy. If it
    cannot be read, a warning says that it was not compared.

    Raises:
        RunError: a source has changed.
    """
    for source, before in plan.sources.items():
        try:
            now = fingerprint([source])
        except DataError as error:
            log(f"warning: it is not known whether {source} has changed: {error}")
            continue
        if now not in (before, None):
            raise RunError(
                f"{source} has changed since {run.folder} began; put the old contents back, or "
                "start a new run, or move the file away: the run then uses its own copy"
            )
