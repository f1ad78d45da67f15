"""The processes that follow: they do what process 0 orders, and print nothing."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NoReturn

import torch

from rnn_infer.errors import RnnInferError
from rnn_train.distributed.environment import Place, resume_command
from rnn_train.distributed.group import Group
from rnn_train.errors import PeerError, RnnTrainError
from rnn_train.run_task import open_task
from rnn_train.system_errors import system_errors
from rnn_train.training.run import Run
from rnn_train.training.shared.crew import ShareSteps, TrainMembers
from rnn_train.training.shared.steps import SharedSteps, StepOrder


def work(place: Place) -> int:
    """Follows process 0 until it ends.

    Args:
        place: of this process; it is not process 0.

    Returns:
        The exit code.
    """
    ignore_signals()
    runs: list[Run] = []
    try:
        group = Group(place)
        with system_errors():
            _serve(group, runs)
        group.close()
    except PeerError as error:
        if place.rank == 1:  # one line is enough; process 0 prints it if it still can
            print(f"Error: {error}{_cure(runs)}", file=sys.stderr, flush=True)
        return 1
    except (RnnTrainError, RnnInferError) as error:
        print(f"Error: process {place.rank}: {error}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def ignore_signals() -> None:
    """Ignores Ctrl-C and SIGTERM: process 0 gets them too, ends its step and saves; it then ends
    the others."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _cure(runs: list[Run]) -> str:
    """Says how to go on with the last run, if there is work in it."""
    if not runs or not runs[-1].has_work:
        return ""
    run = runs[-1]
    return f"; go on with: {resume_command(run.config()['command'], run.folder)}"


def _serve(group: Group, runs: list[Run]) -> None:
    """Does what process 0 orders, until it orders the end.

    Args:
        group: the processes.
        runs: gets each run that is opened.
    """
    order: Any = group.receive()
    while order is not None:
        run = Run.attach(Path(order.folder))
        runs.append(run)
        torch.set_num_threads(order.threads)
        if isinstance(order, TrainMembers):
            with _interruptible(), _silent():
                _train_members(group, run, order)
            order = group.receive()
        else:
            assert isinstance(order, ShareSteps)
            order = _share_steps(group, run, order)


def _train_members(group: Group, run: Run, order: TrainMembers) -> None:
    device = torch.device(order.device)
    if device.type == "cuda":
        torch.cuda.set_device(group.place.local_rank)
    task = open_task(run)
    for number in order.numbers[group.rank :: group.size]:
        task.train_member(number, order.minutes, device, lambda _: None)
    group.wait_for_all()


def _share_steps(group: Group, run: Run, order: ShareSteps) -> Any:
    """Computes the share of each step. Returns the next order of another kind."""
    device = torch.device(order.device)
    group.use(device)
    task = open_task(run)
    task.model.to(device)
    shared = SharedSteps(group, task.objective(device), device)
    while isinstance(step := group.receive(), StepOrder):
        shared.follow(step)
    return step


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C and SIGTERM raise KeyboardInterrupt in the block."""

    def handle(_number: int, _frame: Any) -> NoReturn:
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handle)
    yield
    ignore_signals()


@contextmanager
def _silent() -> Iterator[None]:
    """Nothing is printed in the block: the progress bar of process 0 is enough."""
    with (
        Path(os.devnull).open("w") as nowhere,
        redirect_stdout(nowhere),
        redirect_stderr(nowhere),
    ):
        yield
