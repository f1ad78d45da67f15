"""All commands of `rnn-train`: importing their modules adds them to the group."""

from rnn_train.cli import evaluate, export, training
from rnn_train.cli.group import main

__all__ = ["evaluate", "export", "main", "training"]
