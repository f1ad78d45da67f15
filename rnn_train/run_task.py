"""Opening the task of a run folder, and refusing one that has changed or is damaged."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from rnn_train.data.datasets import fingerprint
from rnn_train.errors import RnnTrainError, RunError
from rnn_train.progress import Log
from rnn_train.tasks.plan import Plan
from rnn_train.tasks.registry import TASKS
from rnn_train.tasks.task import Task
from rnn_train.training import checkpoint
from rnn_train.training.run import Run


@contextmanager
def finished_task(folder: Path, log: Log = print) -> Iterator[Task]:
    """A run's task. Its model has the averaged weights of the last checkpoint, and evaluates.

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
    kind = run.config().get("command")
    if kind not in TASKS:
        raise RunError(f"{run.folder}/config.json names no known command")
    with _damage_reported(run):
        # A run that was killed before its first checkpoint starts again from the same weights.
        torch.manual_seed(run.config()["training"]["seed"])
        return TASKS[kind](run)


def open_plan(run: Run) -> Plan:
    """The settings of any run, without its data and model."""
    with _damage_reported(run):
        return Plan.from_config(run.config())


@contextmanager
def _damage_reported(run: Run) -> Iterator[None]:
    try:
        yield
    except RnnTrainError:
        raise  # for example a cell that cannot be imported, which is a ValueError too
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise RunError(
            f"{run.folder} is damaged or of another version ({type(error).__name__}: {error}); "
            "start a new run"
        ) from error


def last_state(run: Run, log: Log) -> dict[str, Any]:
    state, warnings = run.last_state()
    for warning in warnings:
        log(f"warning: {warning}")
    return state


def fingerprints(sources: Sequence[str]) -> dict[str, str | None]:
    return {source: fingerprint([source]) for source in sources}


def check_sources(run: Run, plan: Plan) -> None:
    """Refuses to go on if a source has changed. A source that is gone does not matter."""
    for source, before in plan.sources.items():
        if fingerprint([source]) not in (before, None):
            raise RunError(
                f"{source} has changed since {run.folder} began: put it back, or start a new run "
                "(moved away, the run goes on with its own copy)"
            )
