"""Trains small recurrent networks with PyTorch and exports them for `rnn_infer`."""

from rnn_infer import __version__

__all__ = ["__version__"]
