"""Networks of an ensemble. Each is trained in a folder inside the run of its student."""

import torch

from rnn_train.progress import Log
from rnn_train.training import checkpoint
from rnn_train.training.config import TrainingConfig
from rnn_train.training.loop import Trainer, TrainingOutcome
from rnn_train.training.objective import Objective
from rnn_train.training.run import Run
from rnn_train.training.schedule import Schedule
from rnn_train.training.shared.crew import Crew


def train_teacher(
    run: Run,
    name: str,
    objective: Objective,
    schedule: Schedule,
    config: TrainingConfig,
    device: torch.device,
    log: Log,
) -> TrainingOutcome:
    """Trains one network in `teachers/<name>` of the run folder, or resumes its training there.

    Args:
        run: the run of the student.
        name: of the network's folder.
        objective: the network and its data.
        schedule: how long to train; a resumed network keeps its own.
        config: how to train.
        device: where to train.
        log: takes one line of text at a time.

    Raises:
        KeyboardInterrupt: the user interrupted training.
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
        raise KeyboardInterrupt
    return outcome


def teacher_seconds(run: Run, name: str) -> float:
    """Returns the seconds that `train_teacher` trained a network, over all sessions."""
    state, _ = checkpoint.load_latest(run.part(f"teachers/{name}").checkpoints)
    return float(state["elapsed"])


def announce(count: int, crew: Crew, log: Log) -> None:
    """Logs that several networks are trained at once, if they are.

    Args:
        count: networks to train.
        crew: the processes that train them.
        log: takes one line of text at a time.
    """
    if crew.size > 1 and count > 1:
        log(f"{count} teachers, {min(crew.size, count)} at once, each in a process of its own")
