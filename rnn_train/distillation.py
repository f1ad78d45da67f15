"""What an ensemble knows, as targets for one network to learn (Hinton et al., 2015).

The teachers are networks like the pupil, and the linear n-gram models: these err on other texts
than a network does, and so teach it most.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from rnn_train import checkpoint
from rnn_train.baseline import fit_baselines
from rnn_train.classifier import Alphabet, label_indices
from rnn_train.job import Say
from rnn_train.labelled import Rows, split_rows
from rnn_train.metrics import fit_temperature
from rnn_train.plan import Plan
from rnn_train.run import Run
from rnn_train.training import Outcome, Task, Trainer, TrainingConfig

LINEAR_SAY = 0.4
"""Share of the linear models in the ensemble's answer."""
_FOR_TEMPERATURE = 0.1


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


def linear_answers(rows: Rows, alphabet: Alphabet, seed: int) -> list[NDArray[np.float32]]:
    """Each linear model's probabilities [rows, labels] on the rows it is fitted to."""
    part, rest = split_rows(rows, _FOR_TEMPERATURE, seed)
    labels = torch.from_numpy(label_indices(rest, alphabet))
    temperatures = [
        # Finite: a label that only `rest` has would make every temperature infinitely bad.
        fit_temperature(model.scores(rest.texts).clamp(min=-1e3), labels)
        for model in fit_baselines(part, alphabet, seed)
    ]
    return [
        torch.softmax(model.scores(rows.texts) / temperature, -1).numpy()
        for model, temperature in zip(
            fit_baselines(rows, alphabet, seed), temperatures, strict=True
        )
    ]


def blend(
    networks: Sequence[NDArray[np.float32]], linear: Sequence[NDArray[np.float32]]
) -> NDArray[np.float32]:
    """The ensemble's answer: a weighted mean of its members' probabilities [rows, labels]."""
    mean = (1 - LINEAR_SAY) * np.mean(networks, 0) + LINEAR_SAY * np.mean(linear, 0)
    answer: NDArray[np.float32] = mean.astype(np.float32)
    return answer
