"""Commands in several processes, as torchrun would start them.

A server process imports everything once, and forks the processes of each command.
"""

import math
import multiprocessing
import os
import signal
import socket
import sys
from collections.abc import Sequence
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rnn_train import training_session
from rnn_train.tasks.task import HeldOutResult

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    [
        "rnn_train.pipeline",
        "rnn_train.preview",
        "rnn_train.worker",
        "torch.distributed",
        "matplotlib.pyplot",
        "sklearn.linear_model",
        "sklearn.naive_bayes",
        "sklearn.svm",
        "sklearn.feature_extraction.text",
    ]
)


def start_server() -> None:
    """Starts the server process. It imports in the background."""
    forkserver.ensure_running()


def run_together(
    arguments: Sequence[str],
    processes: int = 2,
    trouble: tuple[str, int, int] | None = None,
) -> tuple[list[int | None], list[str]]:
    """Runs `rnn-train` in several processes. They neither measure nor export what they train.

    Args:
        arguments: of the command.
        processes: how many.
        trouble: what happens, in which process, and at which step.

    Returns:
        The exit code of each process, and what each has printed.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started = [
        CONTEXT.Process(
            target=_run,
            args=(rank, processes, port, str(Path.cwd()), list(arguments), trouble),
            daemon=True,
        )
        for rank in range(processes)
    ]
    for process in started:
        process.start()
    for process in started:
        process.join(120)
        if process.is_alive():
            process.kill()
    printed = [Path(f"printed-{rank}").read_text("utf-8") for rank in range(processes)]
    return [process.exitcode for process in started], printed


def _run(
    rank: int,
    processes: int,
    port: int,
    folder: str,
    arguments: list[str],
    trouble: tuple[str, int, int] | None,
) -> None:
    os.chdir(folder)
    target = os.open(f"printed-{rank}", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(target, stream)
    values = {
        "RANK": rank,
        "WORLD_SIZE": processes,
        "MASTER_PORT": port,
        "MASTER_ADDR": "127.0.0.1",
    }
    os.environ.update({name: str(value) for name, value in values.items()})
    # Hide the bfloat16 of the processor: then sums in another order differ by little.
    vars(torch.cpu)["get_capabilities"] = dict
    torch.set_num_threads(1)
    vars(training_session)["_finish"] = no_end
    if trouble and trouble[1] == rank:
        _make(trouble[0], trouble[2])
    from rnn_train.cli import main

    main.main(arguments, prog_name="rnn-train")
    sys.exit(0)


def no_end(*_: object) -> HeldOutResult:
    """Takes the place of measuring and exporting."""
    return HeldOutResult({})


def _make(trouble: str, step: int) -> None:
    """Makes trouble at a step of this process."""
    from rnn_train.training import learner
    from rnn_train.training.shared import passes, steps

    plain = passes.compute_gradient

    def compute(objective: Any, at: int, *more: Any) -> tuple[Tensor, int]:
        loss, units = plain(objective, at, *more)
        if at == step:
            if trouble == "nan":
                next(objective.model.parameters()).grad.fill_(math.nan)
            else:
                os.kill(os.getpid(), signal.Signals[trouble])
        return loss, units

    for module in (learner, steps):
        vars(module)["compute_gradient"] = compute
