"""A dry run: what was read and what would be trained. Nothing is left on the disk."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from rnn_train.data.reports import row_report, text_report
from rnn_train.data.row_stream import RowStream
from rnn_train.files import check_model_path
from rnn_train.models.parameters import parameter_count
from rnn_train.pipeline import set_threads
from rnn_train.progress import Log
from rnn_train.system_errors import system_errors
from rnn_train.tasks.charlm.task import CharLMTask
from rnn_train.tasks.classifier.task import ClassifierTask
from rnn_train.tasks.plan import Settings
from rnn_train.tasks.registry import TASKS
from rnn_train.tasks.request import CharLMRequest, ClassifierRequest
from rnn_train.tasks.task import Task
from rnn_train.training.device import pick_device
from rnn_train.training.run import Run
from rnn_train.training.schedule import Schedule
from rnn_train.wording import counted

_MEASURED_STEPS = 3
"""Steps that are measured, to estimate the duration. Another one before them warms up."""


@system_errors()
def preview(
    request: CharLMRequest | ClassifierRequest,
    out: Path,
    *,
    device: str = "auto",
    threads: int | None = None,
    log: Log = print,
) -> None:
    """Reads the data, decides what to train, and says both.

    The run folder is a temporary one, and is removed at the end.

    Args:
        request: what to train.
        out: path of the file that would be written.
        device: "auto", "cpu" or "cuda".
        threads: CPU threads; None: torch's default.
        log: takes one line of text at a time.

    Raises:
        RnnTrainError: training would refuse the data or the options, too.
    """
    check_model_path(out, make_folder=False)
    where = pick_device(device)
    set_threads(threads)
    with tempfile.TemporaryDirectory(prefix="rnn_train-") as folder:
        run = Run.create(request.kind, Path(folder) / "run")
        try:
            torch.manual_seed(request.seed)
            settings = Settings(device=where.type, threads=threads, out=str(out))
            task = TASKS[request.kind].create(run, request, settings, log)  # type: ignore[arg-type]
            for line in (*_data_lines(request, task), *_plan_lines(task, where)):
                log(line)
            log(f"dry run: nothing was written; without --dry-run the model goes to {out}")
        finally:
            run.close()


def _data_lines(request: CharLMRequest | ClassifierRequest, task: Task) -> Iterator[str]:
    if isinstance(task, CharLMTask):
        corpus = task.data.corpus
        yield from text_report(corpus.tokens, corpus.vocabulary, task.data.mark)
        yield f"held out: {counted(len(task.data.held_out), 'character')}"
    else:
        assert isinstance(request, ClassifierRequest)
        assert isinstance(task, ClassifierTask)
        yield from row_report(RowStream(task.plan.data, request.table))
        yield f"held out: {counted(len(task.data.held_out), 'row')}"
    for warning in task.warnings:
        yield f"warning: {warning}"


def _plan_lines(task: Task, device: torch.device) -> Iterator[str]:
    plan: Any = task.plan
    training, config = plan.training, plan.model
    cell = getattr(config, "cell", "lstm")
    yield (
        f"model: {cell}, {config.layers}×{config.hidden}, {parameter_count(task.model):,} "
        f"parameters, on {device.type}"
    )
    networks = 1 + (plan.teacher_plan.trained if isinstance(task, CharLMTask) else plan.ensemble)
    several = f" for {networks} networks" if networks > 1 else ""
    if plan.epochs is None:
        minutes = counted(float(f"{plan.minutes:.3g}"), "minute")
        yield f"training: {minutes}{several}, batches of {training.batch}"
        return
    steps = Schedule.of(1.0, task.steps_per_epoch, plan.epochs, None).steps or 1
    # Teachers may have other epochs and batches than their student.
    student = f" of the student, after {counted(networks - 1, 'teacher')}" if networks > 1 else ""
    yield (
        f"training: {counted(plan.epochs, 'epoch')}{student}, "
        f"each of {counted(task.steps_per_epoch, 'step')} of "
        f"{training.batch}"
    )
    if networks > 1 or (isinstance(task, CharLMTask) and plan.teacher_plan.teachers):
        return  # the objective needs the soft targets, which take long
    time = networks * steps * _step_seconds(task, device) / 60
    yield f"time: about {counted(float(f'{time:.2g}'), 'minute')} of training"


def _step_seconds(task: Task, device: torch.device) -> float:
    """Measures how long a training step takes."""
    task.model.to(device)
    objective = task.objective(device)
    seconds = []
    for step in range(1 + _MEASURED_STEPS):
        started = time.monotonic()
        loss, _ = objective.loss(step)
        loss.backward()  # type: ignore[no-untyped-call]
        float(loss.detach())  # on CUDA, it waits for the end of the step
        seconds.append(time.monotonic() - started)
    return sum(seconds[1:]) / _MEASURED_STEPS
