"""The command line `rnn-infer`: options in, one library call, one line for an error.

May import everything of `rnn_infer`, and click; the library never imports it.
"""

from rnn_infer.cli.commands import main

__all__ = ["main"]
