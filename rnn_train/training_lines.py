"""What a session of training says of its budget, as lines of text."""

import dataclasses

import torch

from rnn_train.models.parameters import parameter_count
from rnn_train.tasks.task import Task
from rnn_train.training.loop import Trainer
from rnn_train.training.run import Run
from rnn_train.training.schedule import Schedule
from rnn_train.training.shared.crew import Crew
from rnn_train.wording import counted

_FEW_STEPS = 50
"""Fewer steps are no training: the rate has hardly risen, and the averaged weights are those of the
start."""


def introduction(run: Run, task: Task, device: torch.device, schedule: Schedule, crew: Crew) -> str:
    """Describes the model, the budget and the run folder, in two lines."""
    plan = task.plan
    shape = dataclasses.asdict(task.model.config)
    model = ", ".join(f"{key} {value}" for key, value in shape.items())
    minutes, epochs = plan.budget
    duration = _duration(minutes, epochs, schedule.steps)
    if plan.continued:
        duration += f" more (part {schedule.part + 1} of the run)"
    together = f" in {crew.size} processes" if crew.size > 1 else ""
    return (
        f"{plan.command}: {parameter_count(task.model):,} parameters ({model})\n"
        f"training for {duration} on {device.type}{together}, run folder {run.folder}; "
        "Ctrl-C ends it cleanly"
    )


def _duration(minutes: float | None, epochs: float | None, steps: int | None) -> str:
    """Describes a budget in minutes, or in epochs and steps."""
    if minutes:
        return counted(minutes, "minute")
    return f"{counted(epochs or 0, 'epoch')} ({counted(steps or 0, 'step')})"


def time_left(trainer: Trainer) -> str:
    """Describes the steps or minutes that are left."""
    schedule = trainer.schedule
    if schedule.minutes is None:
        passed_steps = trainer.step - schedule.first_step
        return f"{counted(max(0, (schedule.steps or 0) - passed_steps), 'step')} left"
    passed = (trainer.elapsed - schedule.first_second) / 60
    return f"{max(0.0, schedule.minutes - passed):.1f} minutes left"


def new_part(trainer: Trainer) -> str:
    """Describes the start of a further part of a run."""
    peak = trainer.schedule.peak_rate
    return (
        f"going on from step {trainer.step}, where the run had finished: the learning rate warms "
        f"up again to {peak:g} and falls to 0; data, weights and optimizer state are kept"
    )


def other_processes(before: int, now: int) -> str:
    """Says what it means that a run goes on with another number of processes."""
    began = "one process" if before == 1 else f"{before} processes"
    return (
        f"the run began in {began} and goes on in {now}: batches and dropout stay the same, but "
        "sums are rounded in another order"
    )


def step_warnings(trainer: Trainer) -> list[str]:
    """Returns a warning if the minutes, or the rest of them, were enough for few steps."""
    schedule = trainer.schedule
    steps = trainer.step - schedule.first_step
    if schedule.minutes is None or steps >= _FEW_STEPS:
        return []
    return [
        f"there was time for {counted(steps, 'step')} only, so the model has learnt little; give "
        "more --minutes (or, if the run has teachers, fewer of them)"
    ]
