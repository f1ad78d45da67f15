"""The networks of an ensemble, each a run of its own inside the run that learns from them."""

import torch

from rnn_train import checkpoint
from rnn_train.job import Say
from rnn_train.plan import Plan
from rnn_train.run import Run
from rnn_train.training import Outcome, Task, Trainer, TrainingConfig


def train_teacher(
    run: Run,
    name: str,
    task: Task,
    plan: Plan,
    config: TrainingConfig,
    device: torch.device,
    say: Say,
) -> Outcome:
    """Trains one network of a run's ensemble, in a folder of its own there; goes on where it was
    interrupted.

    Raises:
        KeyboardInterrupt: it was interrupted, and `say` has told how to go on.
    """
    part = run.part(f"teachers/{name}")
    trainer = Trainer(part, task, plan, config, device)
    if checkpoint.exists(part.checkpoints):
        state, warnings = part.last_state()
        for warning in warnings:
            say(f"warning: {warning}")
        trainer.restore(state)
    outcome = trainer.fit()
    if not outcome.finished:
        command = run.config()["command"]
        say(f"interrupted; go on with: rnn-train {command} --resume {run.folder}")
        raise KeyboardInterrupt
    return outcome


def seconds_of_teacher(run: Run, name: str) -> float:
    """How long `train_teacher` trained it, over all sittings."""
    state, _ = checkpoint.load_latest(run.part(f"teachers/{name}").checkpoints)
    return float(state["elapsed"])
