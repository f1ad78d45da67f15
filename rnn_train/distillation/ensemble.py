"""The networks of an ensemble: each is a run of its own inside the run of their student."""

import torch

from rnn_train.progress import Log
from rnn_train.training import checkpoint
from rnn_train.training.config import TrainingConfig
from rnn_train.training.loop import Trainer, TrainingOutcome
from rnn_train.training.objective import Objective
from rnn_train.training.run import Run
from rnn_train.training.schedule import Schedule


def train_teacher(
    run: Run,
    name: str,
    objective: Objective,
    schedule: Schedule,
    config: TrainingConfig,
    device: torch.device,
    log: Log,
) -> TrainingOutcome:
    """Trains one network in `teachers/<name>` of the run folder, from its last checkpoint on.

    Raises:
        KeyboardInterrupt: training was interrupted; `log` has told how to go on.
    """
    part = run.part(f"teachers/{name}")
    trainer = Trainer(part, objective, schedule, config, device)
    if checkpoint.exists(part.checkpoints):
        state, warnings = part.last_state()
        for warning in warnings:
            log(f"warning: {warning}")
        trainer.restore(state)
    outcome = trainer.fit()
    if not outcome.finished:
        command = run.config()["command"]
        log(f"interrupted; go on with: rnn-train {command} --resume {run.folder}")
        raise KeyboardInterrupt
    return outcome


def teacher_seconds(run: Run, name: str) -> float:
    """Seconds that `train_teacher` trained a network, over all sittings."""
    state, _ = checkpoint.load_latest(run.part(f"teachers/{name}").checkpoints)
    return float(state["elapsed"])
