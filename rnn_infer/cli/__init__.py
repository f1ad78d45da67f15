"""The command line `rnn-infer`: options in, one library call, one line per error.

May import all of `rnn_infer`, and click. The library never imports the command line.
"""

from rnn_infer.cli.commands import main

__all__ = ["main"]
