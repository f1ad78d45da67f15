"""The character model: embedding, LSTM layers and a head that gives logits."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rnn_train.models import lstm_scan
from rnn_train.models.cells import State
from rnn_train.models.dropout import drop_per_sequence, dropped_weights


@dataclass(frozen=True, kw_only=True)
class CharLSTMConfig:
    """Shape and regularisation of a `CharLSTM`. A dropout rate is the probability of a zero."""

    vocabulary: int
    embedding: int = 128
    hidden: int = 512
    layers: int = 2
    head: int = 0
    """Width of a hidden layer between the LSTM layers and the logits; 0: none."""
    skip: bool = False
    """Whether the head reads all layers, so that deep stacks learn faster (Graves, 2013,
    "Generating sequences with recurrent neural networks", equation 4). False: the last one."""
    dropout_input: float = 0.1
    dropout_layer: float = 0.2
    dropout_output: float = 0.3
    weight_drop: float = 0.0
    """Dropout rate of the recurrent weights; see `dropout.dropped_weights`."""

    @property
    def weights(self) -> int:
        """Number of weights, biases included."""
        inputs = self.embedding + (self.layers - 1) * self.hidden
        gates = 4 * self.hidden * (inputs + self.layers * (self.hidden + 2))
        seen = self.hidden * (self.layers if self.skip else 1)
        head = (seen + 1) * self.head if self.head else 0
        last = ((self.head or seen) + 1) * self.vocabulary
        return self.vocabulary * self.embedding + gates + head + last

    def batch_bytes(self, characters: int) -> int:
        """Bytes that a training step keeps for a batch of so many characters, at least: gates and
        states of each layer, the logits and their gradient."""
        return 4 * characters * (6 * self.layers * self.hidden + 2 * self.vocabulary)


class CharLSTM(nn.Module):
    """Embedding → LSTM layers → logits of the next character."""

    def __init__(self, config: CharLSTMConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.embedding)
        # One nn.LSTM for each layer, for two reasons: dropout between layers can keep one mask a
        # sequence, and cuDNN's persistent kernel takes single layers only.
        sizes = [config.embedding] + [config.hidden] * (config.layers - 1)
        self.layers = nn.ModuleList(
            nn.LSTM(size, config.hidden, batch_first=True) for size in sizes
        )
        seen = config.hidden * (config.layers if config.skip else 1)
        if config.head:
            self.head: nn.Module = nn.Sequential(
                nn.Linear(seen, config.head),
                nn.ReLU(),
                nn.Linear(config.head, config.vocabulary),
            )
        else:
            self.head = nn.Linear(seen, config.vocabulary)
        self._initialize()

    def _initialize(self) -> None:
        nn.init.normal_(self.embedding.weight, std=self.config.embedding**-0.5)
        width = self.config.hidden
        for layer in self.lstms():
            weights = dict(layer.named_parameters())
            for weight in weights["weight_hh_l0"].chunk(4):
                nn.init.orthogonal_(weight)
            nn.init.zeros_(weights["bias_ih_l0"])
            nn.init.zeros_(weights["bias_hh_l0"])
            with torch.no_grad():  # gates i, f, g, o; forget gates start open
                weights["bias_ih_l0"][width : 2 * width] = 1

    def lstms(self) -> Iterator[nn.LSTM]:
        """Yield the layers, from the input up."""
        for layer in self.layers:
            assert isinstance(layer, nn.LSTM)
            yield layer

    def zeros(self, batch: int) -> State:
        """Return the states h0, c0, h1, c1, …, each [batch, hidden], before the first character."""
        like = self.embedding.weight
        return tuple(
            like.new_zeros(batch, self.config.hidden) for _ in range(2 * self.config.layers)
        )

    def forward(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Compute the logits of a sequence.

        Args:
            tokens: int64 [batch, time].
            state: before the first token, as in `zeros`.

        Returns:
            The logits [batch, time, vocabulary], and the state after the last token.
        """
        x = drop_per_sequence(self.embedding(tokens), self.config.dropout_input, self.training)
        after: list[Tensor] = []
        seen: list[Tensor] = []
        for i, layer in enumerate(self.lstms()):
            if i:
                x = drop_per_sequence(x, self.config.dropout_layer, self.training)
            h, c = state[2 * i : 2 * i + 2]
            if lstm_scan.pays(layer, x):
                x, h, c = lstm_scan.scan(layer, x, h, c)
            else:
                x, (h, c) = layer(x, (h[None], c[None]))
                h, c = h[0], c[0]
            after += [h, c]
            seen.append(x)
        if self.config.skip:
            x = torch.cat(seen, -1)
        x = drop_per_sequence(x, self.config.dropout_output, self.training)
        return self.head(x), tuple(after)

    @contextmanager
    def dropped_weights(self) -> Iterator[None]:
        """Drop recurrent weights at random while the block runs; in evaluation mode, none."""
        if not self.config.weight_drop or not self.training:
            yield
            return
        weights = [layer.get_parameter("weight_hh_l0") for layer in self.lstms()]
        with dropped_weights(weights, self.config.weight_drop):
            yield
