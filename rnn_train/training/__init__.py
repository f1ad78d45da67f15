"""Trains any model: loop, optimizers, schedule, checkpoints, run folders, CUDA graphs.

This family may import `models`, `data`, `files`, `progress` and `errors`. Except for `cuda_graph`,
it works with the interface `Objective` and knows no particular kind of model.
"""
