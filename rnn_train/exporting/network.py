"""A trained model as ONNX nodes: token look-up, recurrent layers and head."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from torch import nn

from rnn_train.exporting.graph import Graph
from rnn_train.exporting.layers import layer_of
from rnn_train.exporting.layers.layer import as_numpy
from rnn_train.exporting.layers.parts import LookUp, Part, Parts, beside, in_units
from rnn_train.exporting.layers.shortened import pooled_top, shortened
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
        self.labels = isinstance(model, RecurrentClassifier)
        """Whether the logits are those of labels."""
        self._layers = [layer_of(index, each, products) for index, each in enumerate(modules)]
        self._head_layers = [m for m in head.modules() if isinstance(m, nn.Linear)]
        self._products = products
        self._temperature = temperature
        self._embedding = model.embedding.weight
        self._added: tuple[Graph, str] | None = None
        """The main graph that has the table, and the table's name there."""

    @property
    def states(self) -> dict[str, int]:
        """Name and width of each state tensor."""
        return {name: width for layer in self._layers for name, width in layer.states.items()}

    @property
    def weights(self) -> int:
        """How many weights a step multiplies in its layers, about."""
        return sum(layer.projected * (layer.input + layer.output) for layer in self._layers)

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
        return graph.add("Gather", self._added_table(graph), tokens, axis=0, name="table_row")

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

    def sequence(
        self, graph: Graph, tokens: str, states: Sequence[str], short: bool = False
    ) -> tuple[str, list[str]]:
        """Add a whole sequence, layer by layer.

        Args:
            graph: gets the nodes.
            tokens: int64 [time, batch].
            states: as in `step`, before the first token.
            short: whether tokens can ask for fewer logits, see `shortened`.

        Returns:
            The logits [time, batch, outputs], and the states after the last token.
        """
        sizes = graph.add("Shape", tokens, name="time_batch")
        x = self._first_parts(graph, tokens)
        top = pooled_top(self._layers) if short else None
        below = self._layers[:-2] if top else self._layers
        after: list[str] = []
        every: list[Part] = []
        for layer in below:
            own = states[len(after) : len(after) + len(layer.states)]
            x, new = layer.from_parts(graph, x, sizes, own)
            after += new
            every += x
        if short:
            x, new = shortened(graph, top, x, tokens, sizes, states[len(after) :])
            after += new
            sizes = graph.add("Shape", x[0].value, start=0, end=2, name="sizes_left")
        logits = self._head_of_parts(graph, every if self._reads_all else x)
        return graph.by_time(logits, sizes, self.outputs), after

    def _first_parts(self, graph: Graph, tokens: str) -> Parts:
        """Return the look-up of tokens [time, batch] as the first layer's input."""
        rows = self._embedding.shape[0]
        own = LookUp(table=self._added_table(graph), rows=rows, places=tokens)
        return [Part(self.row_width, look_up=own, projected=self._folds)]

    def _added_table(self, graph: Graph) -> str:
        """Return the name of the table, which is added to the main graph once."""
        if self._added and self._added[0] is graph.root:
            return self._added[1]
        name, table = self._table()
        if self._folds:
            name = self._products.folded(graph, name, table)
        else:
            name = graph.constant(name, table)
        self._added = graph.root, name
        return name

    def _table(self) -> tuple[str, NDArray[np.float32]]:
        """Return the input table or the embedding, [tokens, row_width], and its name."""
        if self._folds:
            return "input_table", self._layers[0].table(self._embedding)
        return "embedding", self._embedding.detach().numpy()

    @property
    def _folds(self) -> bool:
        """Whether the first layer's projected input is small enough for a table of all tokens."""
        return self._embedding.shape[0] * self._layers[0].projected <= MAX_TABLE

    def _head_input(self, graph: Graph, layer_outputs: Sequence[str]) -> str:
        """Add what the head reads in a step, [batch, width]: the last output, or all of them."""
        if not self._reads_all or len(layer_outputs) == 1:
            return layer_outputs[-1]
        return graph.add("Concat", *layer_outputs, axis=-1, name="all_layers")

    def _head_of_parts(self, graph: Graph, x: Parts) -> str:
        """Add the head of parts [time, batch, …] → logits [time · batch, outputs]."""
        if self._products.rounds(as_numpy(self._head_layers[0].weight)):
            # What lies far from 0 is not rounded well.
            x = [replace(part, value=part.shifted(graph), zero=None, look_up=None) for part in x]
        return self._head(graph, beside(graph, [part.as_is(graph) for part in x]), x)

    def _head(self, graph: Graph, x: str, parts: Parts = ()) -> str:
        """Add the head: x [n, width] → logits [n, outputs], divided by the temperature.

        With `parts`, x is their values [time, batch, width], and n is time · batch.
        """
        for index, linear in enumerate(self._head_layers):
            is_last = index == len(self._head_layers) - 1
            divisor = np.float32(self._temperature if is_last else 1)
            weight = as_numpy(linear.weight).T / divisor
            bias = as_numpy(linear.bias) / divisor
            first = index == 0
            if first and parts:
                weight, bias = in_units(parts, weight, bias)
            x = self._products.linear(
                graph,
                x,
                f"head{index}.W",
                weight,
                graph.constant(f"head{index}.b", bias),
                bounded=first and self._head_bounded,
                by_time=first and bool(parts),
            )
            if not is_last:
                x = graph.add("Relu", x)
        return x
