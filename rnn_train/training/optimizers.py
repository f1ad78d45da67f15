"""Optimizers of a run: AdamW, and Muon for the gate matrices."""

import torch

from rnn_train.training.config import TrainingConfig
from rnn_train.training.muon import Muon
from rnn_train.training.objective import Objective


def make_optimizers(objective: Objective, config: TrainingConfig) -> list[torch.optim.Optimizer]:
    """Makes the optimizers of an objective.

    Args:
        objective: its model has the parameters.
        config: if `muon` is not 0, Muon trains the gate matrices.

    Returns:
        AdamW, and Muon if it is used. Each group of parameters has a field `share`: its learning
        rate as a multiple of the schedule's.
    """
    gates = objective.gates if config.muon else ()
    gate_ids = {id(weight) for weight in gates}
    rest = [p for p in objective.model.parameters() if id(p) not in gate_ids]
    decay, rate = config.weight_decay, config.learning_rate
    # Weight decay is for matrices only: a bias need not be small.
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
