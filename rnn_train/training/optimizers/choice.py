"""Optimizers of a run: AdamW, Muon for the gate matrices, row-wise Adagrad for tables."""

import torch

from rnn_train.training.config import TrainingConfig
from rnn_train.training.objective import Objective
from rnn_train.training.optimizers.muon import Muon
from rnn_train.training.optimizers.row_adagrad import RowAdagrad


def make_optimizers(objective: Objective, config: TrainingConfig) -> list[torch.optim.Optimizer]:
    """Makes the optimizers of an objective.

    Args:
        objective: its model has the parameters.
        config: if `muon` is not 0, Muon trains the gate matrices; if `tables` is not 0, row-wise
            Adagrad trains the look-up tables.

    Returns:
        AdamW, and then the others that are used. Each group of parameters has a field `share`: its
        learning rate as a multiple of the schedule's.
    """
    gates = objective.gates if config.muon else ()
    # An empty table never gets a gradient, and a loss scaler refuses an optimizer without any.
    tables = [table for table in objective.tables if table.numel()] if config.tables else []
    others = {id(weight) for weight in (*gates, *tables)}
    rest = [p for p in objective.model.parameters() if id(p) not in others]
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
    if tables:
        group = {"params": tables, "share": config.tables}
        optimizers.append(RowAdagrad([group], lr=rate))
    return optimizers
