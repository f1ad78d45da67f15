"""The character model: embedding, LSTM layers, logits."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rnn_train.models.cells import State
from rnn_train.models.modules import drop_per_sequence


@dataclass(frozen=True, kw_only=True)
class CharLSTMConfig:
    """Shape and regularisation of a `CharLSTM`. Dropout rates are probabilities of a zero."""

    vocabulary: int
    embedding: int = 128
    hidden: int = 512
    layers: int = 2
    head: int = 0
    """Width of a hidden layer between the LSTM and the logits; 0: none."""
    skip: bool = False
    """The head reads all layers, not the last alone (Graves, 2013, "Generating sequences with
    recurrent neural networks", equation 4): deep stacks learn faster."""
    dropout_input: float = 0.1
    dropout_layer: float = 0.2
    dropout_output: float = 0.3
    weight_drop: float = 0.0
    """On the recurrent matrices (Merity et al., 2017, "Regularizing and optimizing LSTM …")."""


class CharLSTM(nn.Module):
    """Embedding → LSTM layers → logits of the next character."""

    def __init__(self, config: CharLSTMConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.embedding)
        # One nn.LSTM a layer rather than one of all layers: dropout between them can then
        # keep one mask a sequence, and cuDNN's persistent kernel takes single layers only.
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
            with torch.no_grad():  # gates i, f, g, o: remember by default
                weights["bias_ih_l0"][width : 2 * width] = 1

    def lstms(self) -> Iterator[nn.LSTM]:
        """The layers, from the input up."""
        for layer in self.layers:
            assert isinstance(layer, nn.LSTM)
            yield layer

    def zeros(self, batch: int) -> State:
        """States h0, c0, h1, c1, …, each [batch, hidden], before the first character."""
        like = self.embedding.weight
        return tuple(
            like.new_zeros(batch, self.config.hidden) for _ in range(2 * self.config.layers)
        )

    def forward(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Tokens [batch, time] → logits [batch, time, vocabulary], and the state after them."""
        x = drop_per_sequence(self.embedding(tokens), self.config.dropout_input, self.training)
        after: list[Tensor] = []
        seen: list[Tensor] = []
        for i, layer in enumerate(self.lstms()):
            if i:
                x = drop_per_sequence(x, self.config.dropout_layer, self.training)
            x, (h, c) = layer(x, (state[2 * i][None], state[2 * i + 1][None]))
            after += [h[0], c[0]]
            seen.append(x)
        if self.config.skip:
            x = torch.cat(seen, -1)
        x = drop_per_sequence(x, self.config.dropout_output, self.training)
        return self.head(x), tuple(after)

    @contextmanager
    def dropped_weights(self) -> Iterator[None]:
        """Zeroes recurrent weights at random for one forward and backward pass.

        In place, and put back at the end: the weights stay in cuDNN's one flat buffer,
        which a masked copy would leave (a compaction at every call).
        """
        rate = self.config.weight_drop
        if not rate or not self.training:
            yield
            return
        kept = []
        with torch.no_grad():
            for layer in self.lstms():
                weight = layer.get_parameter("weight_hh_l0")
                mask = torch.bernoulli(torch.full_like(weight, 1 - rate)) / (1 - rate)
                kept.append((weight, weight.clone(), mask))
                weight.mul_(mask)
        try:
            yield
        finally:
            with torch.no_grad():
                for weight, original, mask in kept:
                    weight.copy_(original)
                    if weight.grad is not None:
                        weight.grad.mul_(mask)
