"""One session of training: prepare, train, measure, export, draw."""

import dataclasses
import shlex
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rnn_train import training_lines
from rnn_train.distributed.environment import resume_command
from rnn_train.errors import ExportError, RunError
from rnn_train.evaluation import plots
from rnn_train.exporting.model_file import ModelCard, export
from rnn_train.figure_lines import figure_lines
from rnn_train.files import Watched, keeping_previous, sha256, telling, write_bytes
from rnn_train.progress import Log
from rnn_train.system_errors import system_errors
from rnn_train.tasks.task import HeldOutResult, Task
from rnn_train.training.interrupt import resumable
from rnn_train.training.loop import Trainer
from rnn_train.training.objective import Objective, TwoPhases, with_restart
from rnn_train.training.run import Run
from rnn_train.training.schedule import Schedule
from rnn_train.training.shared.crew import ALONE, Crew

_LAST_EXPORT = "exported.sha256"
"""File in the run folder with the hash of what the run exported to the default place."""
_EXPORT_SECONDS = 4.0
"""Seconds of an export, a guess."""
_LEAST_SHARE = 0.1
"""Least share of the minutes that is for training, however long the preparation took."""


@dataclass(frozen=True)
class TrainingReport:
    """The result of a training run."""

    run: Path
    """The run folder."""
    out: Path
    """The exported file."""
    finished: bool
    """False: training was interrupted; the run can be resumed."""
    metrics: dict[str, float]
    """Held-out metrics by name; empty if nothing was held out."""


def train_task(
    run: Run,
    task: Task,
    out: Path,
    device: torch.device,
    log: Log,
    *,
    spent: float = 0.0,
    state: dict[str, Any] | None = None,
    crew: Crew = ALONE,
) -> TrainingReport:
    """Trains to the end of the schedule or an interruption, then measures, exports and draws.

    Args:
        run: the run folder, opened.
        task: the task of the run.
        out: path of the exported file.
        device: where to train.
        log: takes one line of text at a time.
        spent: seconds of the budget that have passed.
        state: content of the checkpoint to go on from; None: train from the start.
        crew: the processes that train together.

    Raises:
        RnnTrainError: training diverged, or a file cannot be written or fails its proof.
    """
    crew.check(device, task.plan.training.batch)
    task.model.to(device)
    for warning in task.warnings:
        log(f"warning: {warning}")
    again = f"{resume_command(task.plan.command, run.folder)} --out {shlex.quote(str(out))}"
    with resumable(run, again, log):
        trainer = _prepare(run, task, device, log, spent, state, crew)
        outcome = trainer.fit()
    if outcome.finished:
        for warning in training_lines.step_warnings(trainer):
            log(f"warning: {warning}")
    try:
        with telling(out), system_errors():
            result = _finish(run, task, outcome.model, out, again, log)
    except KeyboardInterrupt:
        log(f"interrupted before {out} was written; go on with: {again}")
        raise
    if not outcome.finished:
        log(f"interrupted; go on with: {again}")
    return TrainingReport(run.folder, out, outcome.finished, result.metrics)


def _prepare(
    run: Run,
    task: Task,
    device: torch.device,
    log: Log,
    spent: float,
    state: dict[str, Any] | None,
    crew: Crew,
) -> Trainer:
    """Prepares a task and its schedule, and goes back to a checkpoint. Arguments: see
    `train_task`."""
    began = time.monotonic()
    prepared = task.prepare(device, log, crew)
    objective = task.objective(device)
    if state and task.plan.continued:  # what an earlier session prepared cost earlier minutes
        prepared = time.monotonic() - began
    resumed = Schedule(**state["plan"]) if state else None
    new_part = resumed is None or resumed.part < len(task.plan.continued)
    schedule = _schedule(task, objective, spent, prepared) if new_part else resumed
    assert schedule is not None
    shared = crew.shared_steps(run, objective, device)
    trainer = Trainer(run, objective, schedule, task.plan.training, device, shared)
    log(training_lines.introduction(run, task, device, schedule, crew))
    if state:
        if task.plan.processes != crew.size:
            log(training_lines.other_processes(task.plan.processes, crew.size))
        _go_on(trainer, state, schedule if new_part else None, log)
    return trainer


def _go_on(trainer: Trainer, state: dict[str, Any], new_part: Schedule | None, log: Log) -> None:
    """Takes training up where a checkpoint left it.

    Args:
        trainer: new.
        state: content of the checkpoint.
        new_part: schedule of a further part of the run; None: the part of the checkpoint goes on.
        log: takes one line of text at a time.
    """
    trainer.restore(state)
    if new_part is not None:
        trainer.begin_part(new_part)
        log(training_lines.new_part(trainer))
        return
    log(f"going on from step {trainer.step}, {training_lines.time_left(trainer)}")
    if trainer.progress >= 1:
        log("the run has finished; to train on, add --minutes or --epochs")


def _finish(run: Run, task: Task, model: Any, out: Path, again: str, log: Log) -> HeldOutResult:
    """Measures and exports a trained model, and describes it. Returns its figures.

    Raises:
        KeyboardInterrupt: the user interrupted it before the model was exported. After that, what
            is missing comes with the command `again`.
    """
    result, watched = task.measure(model), Watched(out)
    try:
        _export(task, model, result, run, out, log)
        _describe(run, task, model, result, log)
    except KeyboardInterrupt:
        if not watched.replaced:
            raise
        log(f"interrupted after {out} was written; figures and plots come with: {again}")
    log(f"wrote {out}   (run folder {run.folder})")
    return result


def _describe(run: Run, task: Task, model: Any, result: HeldOutResult, log: Log) -> None:
    """Draws, and logs the figures and the comparison with other models."""
    if rows := run.metrics():
        plots.loss_curve(rows, run.folder / "loss.png")
    task.plot(model, run.folder)
    before = task.plan.continued[-1].before if task.plan.continued else None
    for line in figure_lines(result.metrics, result.temperature, before):
        log(line)
    for warning in result.warnings:
        log(f"warning: {warning}")
    for line in task.compare(model, run.folder):
        log(line)


def _export(task: Task, model: Any, result: HeldOutResult, run: Run, out: Path, log: Log) -> None:
    """Exports the model. An error says that the run is kept, and how to export it."""
    again = shlex.join(["rnn-train", "export", str(run.folder), "--out", str(out)])
    kept = f"the run is kept; to export it again: {again}"
    try:
        _write(run, model, task.card(result), out, log)
    except (ExportError, RunError) as error:
        raise type(error)(f"{error}; {kept}") from error


def _write(run: Run, model: Any, card: ModelCard, out: Path, log: Log) -> None:
    """Exports a model. A file of another run at the default place is kept beside the new one.

    Raises:
        RunError, ExportError: a file cannot be written, or fails its proof.
    """
    last = run.folder / _LAST_EXPORT
    if out != default_out(run.config()["command"]):
        export(model, card, out)
        return
    own = last.read_text("utf-8") if last.exists() else None
    with keeping_previous(out, own) as previous:
        export(model, card, out)
    write_bytes(last, sha256(out).encode())
    if previous:
        log(f"{out} was not of this run; it is kept as {previous}")


def default_out(kind: str) -> Path:
    """Returns the path of the exported file if the user names none."""
    return Path(f"exported/{kind}.onnx")


def _schedule(task: Task, objective: Objective, spent: float, prepared: float) -> Schedule:
    """Makes the schedule of a new run, or of the last part of a run that goes on.

    Args:
        task: gives the budget.
        objective: is validated once, to measure how long that takes.
        spent: seconds that reading the data took.
        prepared: seconds that `Task.prepare` took.
    """
    (minutes, epochs), training = task.plan.budget, task.plan.training
    rate, held = training.learning_rate, training.held
    part = len(task.plan.continued)
    if minutes is None:
        whole = Schedule.of(rate, task.steps_per_epoch, epochs, None)
        return with_restart(dataclasses.replace(whole, part=part), objective, held)
    # The minutes include reading the data and what follows training.
    started = time.monotonic()
    objective.validate(objective.model.eval())
    objective.model.train()
    validation = time.monotonic() - started
    measured = isinstance(objective, TwoPhases) and objective.measures
    after = (validation if measured else task.seconds_after(validation)) + _EXPORT_SECONDS
    left = max(minutes * 60 - prepared, _LEAST_SHARE * minutes * 60)
    seconds = max(left - spent - after, left / 2)
    whole = Schedule(rate, steps=None, minutes=seconds / 60, part=part)
    return with_restart(whole, objective, held)
