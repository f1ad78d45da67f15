"""From a request or a run folder to a model file: train, resume, export.

Each function opens or creates the run folder, and leaves the rest to `training_session` or
`exporting`.
"""

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import torch

from rnn_train.errors import ExportError, RunError
from rnn_train.exporting.model_file import export as export_model
from rnn_train.exporting.products import Weights
from rnn_train.exporting.variants import fastest_steps
from rnn_train.files import check_writable
from rnn_train.progress import Log
from rnn_train.run_task import (
    check_sources,
    fingerprints,
    finished_task,
    last_state,
    open_plan,
    open_task,
)
from rnn_train.tasks.plan import Settings
from rnn_train.tasks.registry import TASKS
from rnn_train.tasks.request import CharLMRequest, ClassifierRequest
from rnn_train.training import checkpoint
from rnn_train.training.device import pick_device
from rnn_train.training.run import Run
from rnn_train.training_session import TrainingReport, train_task


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Which variant of a model file to write."""

    step_only: bool = False
    """Leave out generation: tokens and state in, logits and state out."""
    steps: int | None = None
    """Read or draw exactly this many characters a call, without control flow. None: any number."""
    fastest_for: int | None = None
    """Choose `steps` for this many streams at once, by measuring on CUDA."""
    weights: Weights = "float32"
    """Type of the large matrices. int8 is for the CPU, float16 is for CUDA."""
    without_if: bool = False
    """Draw without If nodes, for engines that do not run them. It is a little slower."""
    temperature: float | None = None
    """Divides the logits. None: use the temperature that the run fitted."""

    def __post_init__(self) -> None:
        """Raises `ExportError`: there are no such weights."""
        if self.weights not in (known := get_args(Weights)):
            raise ExportError(f"weights must be one of {', '.join(known)}, got {self.weights!r}")


def train(
    request: CharLMRequest | ClassifierRequest,
    out: Path,
    *,
    folder: Path | None = None,
    device: str = "auto",
    threads: int | None = None,
    log: Log = print,
) -> TrainingReport:
    """Trains a model from the start and exports it.

    Args:
        request: what to train.
        out: path of the exported file.
        folder: run folder; None: the next free `runs/<kind>-<n>`.
        device: "auto", "cpu" or "cuda".
        threads: CPU threads; None: torch's default.
        log: takes one line of text at a time.

    Raises:
        RnnTrainError: one of its kinds; see `api.train_charlm`.
    """
    started = time.monotonic()
    check_writable(out)
    where = pick_device(device)
    run = Run.create(request.kind, folder)
    try:
        set_threads(threads)
        torch.manual_seed(request.seed)
        sources = [*request.data, *([request.val_data] if request.val_data else [])]
        settings = Settings(
            device=where.type, threads=threads, out=str(out), sources=fingerprints(sources)
        )
        task = TASKS[request.kind].create(run, request, settings)  # type: ignore[arg-type]
        return train_task(run, task, out, where, log, spent=time.monotonic() - started)
    finally:
        run.close()


def resume(
    folder: Path,
    out: Path | None = None,
    *,
    kind: str | None = None,
    device: str | None = None,
    threads: int | None = None,
    log: Log = print,
) -> TrainingReport:
    """Resumes an interrupted run from its last checkpoint and exports the model.

    Args:
        folder: the run folder.
        out, device, threads: None: as at the start of the run.
        kind: the kind that the run must have; None: any kind.
        log: takes one line of text at a time.

    Raises:
        RnnTrainError: one of its kinds; see `api.resume`.
    """
    run = Run.open(folder)
    try:
        own = run.config().get("command")
        if kind and own != kind and own in TASKS:
            raise RunError(
                f"{folder} is no {kind} run; go on with: rnn-train {own} --resume {folder}"
            )
        plan = open_plan(run)
        check_sources(run, plan)
        out = out or Path(plan.out)
        check_writable(out)
        where = pick_device(device or plan.device)
        set_threads(threads or plan.threads)
        state = last_state(run, log) if checkpoint.exists(run.checkpoints) else None
        return train_task(run, open_task(run), out, where, log, state=state)
    finally:
        run.close()


def export(
    folder: Path, out: Path, options: ExportOptions | None = None, *, log: Log = print
) -> dict[str, float]:
    """Exports the averaged weights of a run's last checkpoint.

    Args:
        folder: the run folder.
        out: path of the file.
        options: which variant to write; None: the defaults.
        log: takes one line of text at a time.

    Returns:
        The proof: the largest difference of each comparison.

    Raises:
        RnnTrainError: one of its kinds; see `api.export`.
        DeviceError: `fastest_for` needs CUDA, which does not work.
    """
    options = options or ExportOptions()
    check_writable(out)
    with finished_task(folder, log) as task:
        result = task.measure(task.model)
        if options.temperature is not None:
            result = dataclasses.replace(result, temperature=options.temperature)
        card = task.card(result)

        def write(path: Path, steps: int | None) -> dict[str, float]:
            return export_model(
                task.model,
                card,
                path,
                step_only=options.step_only,
                steps=steps,
                weights=options.weights,
                without_if=options.without_if,
                loss=task.loss,
                log=log,
            )

        steps = options.steps
        if options.fastest_for:
            if options.step_only or card.labels:
                raise ExportError(
                    "--fastest-for needs a file that generates; drop it, and give --steps"
                )
            steps = fastest_steps(write, options.fastest_for, log)
        return write(out, steps)


def set_threads(threads: int | None) -> None:
    """Sets torch's number of CPU threads; None leaves it as it is."""
    if threads:
        torch.set_num_threads(threads)
