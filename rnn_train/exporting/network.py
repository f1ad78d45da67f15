"""A trained model as ONNX nodes: token look-up, recurrent layers and head."""

from collections.abc import Sequence

import numpy as np
from torch import nn

from rnn_train.exporting.graph import Graph
from rnn_train.exporting.layers import layer_of
from rnn_train.exporting.products import Products
from rnn_train.models.cells import Cell
from rnn_train.models.charlm import CharLSTM
from rnn_train.models.classifier import RecurrentClassifier

MAX_TABLE = 2**20
"""The most numbers of a folded input table. A larger one stays an embedding and a product."""


class Network:
    """A model's nodes: `look_up` and `step` for one time, `sequence` for a whole sequence.

    The first layer's projected input depends on the token alone. If the vocabulary is small, it
    is computed here for all tokens and looked up in the file ("folded"), which saves a product.
    """

    def __init__(
        self, model: CharLSTM | RecurrentClassifier, temperature: float, products: Products
    ) -> None:
        """Take the weights of a model on the CPU.

        Args:
            model: the trained model.
            temperature: divides the logits.
            products: how matrix products are computed in the file.
        """
        modules: list[nn.LSTM | Cell]
        if isinstance(model, CharLSTM):
            modules, head = [*model.lstms()], model.head
            self._reads_all = model.config.skip
            self._head_bounded = True  # it reads states h of LSTM layers, which lie in [-1, 1]
        else:
            modules, head = [*model.cells()], model.readout
            self._reads_all = self._head_bounded = False
        self._layers = [layer_of(index, each, products) for index, each in enumerate(modules)]
        self._head_layers = [m for m in head.modules() if isinstance(m, nn.Linear)]
        self._products = products
        self._temperature = temperature
        self._embedding = model.embedding.weight

    @property
    def states(self) -> dict[str, int]:
        """Name and width of each state tensor."""
        return {name: width for layer in self._layers for name, width in layer.states.items()}

    @property
    def outputs(self) -> int:
        """Number of logits."""
        return self._head_layers[-1].out_features

    @property
    def row_width(self) -> int:
        """Width of the result of `look_up`."""
        first = self._layers[0]
        return first.projected if self._folds else first.input

    def look_up(self, graph: Graph, tokens: str) -> str:
        """Add the look-up of tokens [...] in the input table or the embedding: [..., row_width]."""
        if self._folds:
            name, table = "input_table", self._layers[0].table(self._embedding)
        else:
            name, table = "embedding", self._embedding.detach().numpy()
        return graph.add("Gather", graph.constant(name, table), tokens, axis=0, name="table_row")

    def step(self, graph: Graph, x: str, states: Sequence[str]) -> tuple[str, list[str]]:
        """Add one step of all layers.

        Args:
            graph: gets the nodes.
            x: result of `look_up`, [batch, row_width].
            states: in the order of `self.states`, each [batch, width].

        Returns:
            The logits [batch, outputs], and the next states.
        """
        after: list[str] = []
        layer_outputs: list[str] = []
        for index, layer in enumerate(self._layers):
            own = states[len(after) : len(after) + len(layer.states)]
            is_projected = index == 0 and self._folds
            x, new = (layer.step if is_projected else layer.advance)(graph, x, own)
            after += new
            layer_outputs.append(x)
        return self._head(graph, self._head_input(graph, layer_outputs)), after

    def sequence(self, graph: Graph, tokens: str, states: Sequence[str]) -> tuple[str, list[str]]:
        """Add a whole sequence, layer by layer.

        Args:
            graph: gets the nodes.
            tokens: int64 [time, batch].
            states: as in `step`, before the first token.

        Returns:
            The logits [time, batch, outputs], and the states after the last token.
        """
        sizes = graph.add("Shape", tokens, name="time_batch")
        after: list[str] = []
        layer_outputs: list[str] = []
        x = self.look_up(graph, tokens)
        for index, layer in enumerate(self._layers):
            own = states[len(after) : len(after) + len(layer.states)]
            if index == 0 and self._folds:
                x, new = layer.steps(graph, x, own)
            else:
                x, new = layer.sequence(graph, x, sizes, own)
            after += new
            layer_outputs.append(x)
        logits = self._head(graph, self._head_input(graph, layer_outputs), by_time=True)
        return graph.by_time(logits, sizes, self.outputs), after

    @property
    def _folds(self) -> bool:
        """Whether the first layer's projected input is small enough for a table of all tokens."""
        return self._embedding.shape[0] * self._layers[0].projected <= MAX_TABLE

    def _head_input(self, graph: Graph, layer_outputs: Sequence[str]) -> str:
        """Add what the head reads, [..., width]: the last layer's output, or all of them."""
        if not self._reads_all or len(layer_outputs) == 1:
            return layer_outputs[-1]
        return graph.add("Concat", *layer_outputs, axis=-1, name="all_layers")

    def _head(self, graph: Graph, x: str, by_time: bool = False) -> str:
        """Add the head: x [n, width] → logits [n, outputs], divided by the temperature.

        With `by_time`, x is [time, batch, width], and n is time · batch.
        """
        for index, linear in enumerate(self._head_layers):
            is_last = index == len(self._head_layers) - 1
            divisor = np.float32(self._temperature if is_last else 1)
            weight = linear.weight.detach().numpy().T / divisor
            bias = graph.constant(f"head{index}.b", linear.bias.detach().numpy() / divisor)
            bounded = index == 0 and self._head_bounded
            x = self._products.linear(
                graph, x, f"head{index}.W", weight, bias, bounded, by_time and index == 0
            )
            if not is_last:
                x = graph.add("Relu", x)
        return x
