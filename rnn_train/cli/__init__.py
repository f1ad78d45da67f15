"""The command line `rnn-train`: options in, one library call, one line for an error.

May import everything; nothing imports it. torch is imported by the commands, not by `--help`.
"""

from rnn_train.cli.commands import main

__all__ = ["main"]
