"""One session of training: prepare, train, measure, export, draw."""

import dataclasses
import shlex
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rnn_train.errors import ExportError, RunError
from rnn_train.evaluation import plots
from rnn_train.exporting.model_file import export
from rnn_train.models.parameters import parameter_count
from rnn_train.progress import Log
from rnn_train.tasks.task import HeldOutResult, Task
from rnn_train.training.loop import Trainer
from rnn_train.training.objective import Objective
from rnn_train.training.run import Run
from rnn_train.training.schedule import Schedule

_EXPORT_SECONDS = 4.0
"""Seconds of an export, a guess."""
_LEAST_SHARE = 0.1
"""Least share of the minutes that is for training, however long the preparation took."""
_MEASURE_VALIDATIONS = 6
"""Measuring after training takes about as long as this many validations."""


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

    Raises:
        RnnTrainError: training diverged, or a file cannot be written or fails its proof.
    """
    task.model.to(device)
    for warning in task.warnings:
        log(f"warning: {warning}")
    prepared = task.prepare(device, log)
    objective = task.objective(device)
    schedule = Schedule(**state["plan"]) if state else _schedule(task, objective, spent, prepared)
    trainer = Trainer(run, objective, schedule, task.plan.training, device)
    log(_introduction(run, task, device, schedule))
    if state:
        trainer.restore(state)
        log(f"going on from step {trainer.step}, {_time_left(trainer)}")
    outcome = trainer.fit()
    model: Any = outcome.model
    result = task.measure(model)
    _export(task, model, result, run, out)
    if rows := run.metrics():
        plots.loss_curve(rows, run.folder / "loss.png")
    task.plot(model, run.folder)
    for line in _figures(result.metrics, result.temperature):
        log(line)
    for warning in result.warnings:
        log(f"warning: {warning}")
    for line in task.compare(model, run.folder):
        log(line)
    log(f"wrote {out}   (run folder {run.folder})")
    if not outcome.finished:
        again = f"rnn-train {task.plan.command} --resume {run.folder} --out {out}"
        log(f"interrupted; go on with: {again}")
    return TrainingReport(run.folder, out, outcome.finished, result.metrics)


def _export(task: Task, model: Any, result: HeldOutResult, run: Run, out: Path) -> None:
    """Exports the model. An error says that the run is kept, and how to export it."""
    again = shlex.join(["rnn-train", "export", str(run.folder), "--out", str(out)])
    kept = f"the run is kept; to export it again: {again}"
    try:
        export(model, task.card(result), out)
    except (ExportError, RunError) as error:
        raise type(error)(f"{error}; {kept}") from error


def _schedule(task: Task, objective: Objective, spent: float, prepared: float) -> Schedule:
    """Makes the schedule of a new run.

    Args:
        task: gives the budget.
        objective: is validated once, to measure how long that takes.
        spent: seconds that reading the data took.
        prepared: seconds that `Task.prepare` took.
    """
    minutes, rate = task.plan.minutes, task.plan.training.learning_rate
    if minutes is None:
        return Schedule.of(rate, task.steps_per_epoch, task.plan.epochs, None)
    # The minutes include reading the data and what follows training.
    started = time.monotonic()
    objective.validate(objective.model.eval())
    objective.model.train()
    after = _MEASURE_VALIDATIONS * (time.monotonic() - started) + _EXPORT_SECONDS
    left = max(minutes * 60 - prepared, _LEAST_SHARE * minutes * 60)
    return Schedule(rate, steps=None, minutes=max(left - spent - after, left / 2) / 60)


def _introduction(run: Run, task: Task, device: torch.device, schedule: Schedule) -> str:
    """Describes the model, the budget and the run folder, in two lines."""
    plan = task.plan
    shape = dataclasses.asdict(task.model.config)
    model = ", ".join(f"{key} {value}" for key, value in shape.items())
    duration = (
        f"{plan.minutes:g} minutes"
        if plan.minutes is not None
        else f"{plan.epochs:g} epochs ({schedule.steps} steps)"
    )
    return (
        f"{plan.command}: {parameter_count(task.model):,} parameters ({model})\n"
        f"training for {duration} on {device.type}, run folder {run.folder}; "
        "Ctrl-C ends it cleanly"
    )


def _time_left(trainer: Trainer) -> str:
    """Describes the steps or minutes that are left."""
    schedule = trainer.schedule
    if schedule.minutes is None:
        return f"{max(0, (schedule.steps or 0) - trainer.step)} steps left"
    return f"{max(0.0, schedule.minutes - trainer.elapsed / 60):.1f} minutes left"


def _figures(metrics: dict[str, float], temperature: float) -> Iterator[str]:
    """Yields a line for each held-out metric, and one for the temperature."""
    for name, value in metrics.items():
        shown = f"{value:,.0f}" if value.is_integer() and value > 1 else f"{value:.4g}"
        yield f"{name.replace('_', ' ')}: {shown}"
    if metrics:
        yield f"temperature fitted to them: {temperature:.4g}"
