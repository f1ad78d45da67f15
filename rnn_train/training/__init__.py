"""One loop for every model: schedule, optimizers, checkpoints, run folders, CUDA graphs.

May import `models`, `data`, `files`, `progress`, `errors`; knows no kind of model.
"""
