"""Recurrent layers as ONNX nodes: each adds one step, or a whole sequence to the same numbers.

May import `graph`, `capture` and `products` of `exporting`, and `models`.
"""

from torch import nn

from rnn_train.exporting.layers.layer import Layer
from rnn_train.exporting.layers.lstm import lstm_layer
from rnn_train.exporting.layers.whole import cell_layer
from rnn_train.exporting.products import Products
from rnn_train.models.cells import Cell

__all__ = ["Layer", "layer_of"]


def layer_of(index: int, module: nn.LSTM | Cell, products: Products) -> Layer:
    """Return the ONNX layer of a trained module.

    Args:
        index: its place in the network, which ends the names of its states.
        module: the trained layer.
        products: how its products are computed in the file.
    """
    if isinstance(module, Cell):
        return cell_layer(index, module, products)
    return lstm_layer(index, module, products)
