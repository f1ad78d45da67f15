"""The command line `rnn-train`. Each command makes one library call; an error becomes one line.

May import everything; nothing imports it. The commands import torch, `--help` does not.
"""

from rnn_train.cli.commands import main

__all__ = ["main"]
