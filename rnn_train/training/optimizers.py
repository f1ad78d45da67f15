"""The optimizers of a run: AdamW, and Muon for gate matrices."""

import torch

from rnn_train.training.config import TrainingConfig
from rnn_train.training.muon import Muon
from rnn_train.training.objective import Objective


def make_optimizers(objective: Objective, config: TrainingConfig) -> list[torch.optim.Optimizer]:
    """AdamW, and Muon for the gates where it is asked for. A group's `share` of the rate of the
    moment is its own."""
    gates = objective.gates if config.muon else ()
    chosen = {id(weight) for weight in gates}
    rest = [p for p in objective.model.parameters() if id(p) not in chosen]
    decay, rate = config.weight_decay, config.learning_rate
    # Weight decay on matrices only: a bias has no reason to be small.
    groups = [
        {"params": [p for p in rest if p.ndim > 1], "weight_decay": decay, "share": 1.0},
        {"params": [p for p in rest if p.ndim <= 1], "weight_decay": 0.0, "share": 1.0},
    ]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.99), fused=True)
    ]
    if gates:
        group = {"params": list(gates), "share": config.muon}
        optimizers.append(Muon([group], lr=rate, weight_decay=decay))
    return optimizers
