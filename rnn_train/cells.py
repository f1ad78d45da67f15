"""The former place of `rnn_train.Cell` and the built-in cells. Importing it warns."""

import warnings

from rnn_train.models.cells import CELLS, Cell, ElmanCell, GRUCell, LSTMCell, MinGRUCell, State

__all__ = ["CELLS", "Cell", "ElmanCell", "GRUCell", "LSTMCell", "MinGRUCell", "State"]

warnings.warn(
    "rnn_train.cells is deprecated and will be removed in 1.0; import Cell from rnn_train",
    DeprecationWarning,
    stacklevel=2,
)
