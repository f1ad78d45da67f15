"""The two models: a character LSTM on `nn.LSTM`, and a classifier on a cell of one's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rnn_train.cells import Cell, Passing, RunningPool, State, find_cell
from rnn_train.ngrams import NGramCell


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
        x = _drop_per_sequence(self.embedding(tokens), self.config.dropout_input, self.training)
        after: list[Tensor] = []
        seen: list[Tensor] = []
        for i, layer in enumerate(self.lstms()):
            if i:
                x = _drop_per_sequence(x, self.config.dropout_layer, self.training)
            x, (h, c) = layer(x, (state[2 * i][None], state[2 * i + 1][None]))
            after += [h[0], c[0]]
            seen.append(x)
        if self.config.skip:
            x = torch.cat(seen, -1)
        x = _drop_per_sequence(x, self.config.dropout_output, self.training)
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


@dataclass(frozen=True, kw_only=True)
class ClassifierConfig:
    """Shape and regularisation of a `RecurrentClassifier`."""

    vocabulary: int
    labels: int
    cell: str = "elman"
    embedding: int = 64
    hidden: int = 256
    layers: int = 1
    pool: bool = True
    """Read out the running mean and maximum of the states beside the last one."""
    dropout: float = 0.3
    ngrams: int = 1
    """Longest n-gram that has a vector of its own, see `NGramCell`; 1: characters alone."""
    evidence: int = 1
    """Longest n-gram of which naive Bayes' evidence for each label is read; 1: none."""
    ngram_rows: int = 14341
    """Entries of the table of each n from 3 up."""
    ngram_width: int = 16


class CodedEmbedding(nn.Module):
    """An embedding whose last column is the token's code, from 1, for `NGramCell`."""

    codes: Tensor

    def __init__(self, vocabulary: int, width: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.randn(vocabulary, width) * width**-0.5)
        self.register_buffer("codes", torch.arange(1.0, vocabulary + 1)[:, None], persistent=False)

    @property
    def weight(self) -> Tensor:
        """[vocabulary, width + 1]"""
        return torch.cat([self.vectors, self.codes], 1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens [...] → [..., width + 1]."""
        return nn.functional.embedding(tokens, self.weight)


class RecurrentClassifier(nn.Module):
    """Embedding → recurrent layers s_t = S(s_{t-1}, x_t) → y_t = W_s s_t + b_s at every step."""

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        self.config = config
        cell = find_cell(config.cell)
        stack: list[Cell] = []
        size = config.embedding
        passed = 0
        if (longest := max(config.ngrams, config.evidence)) > 1:
            self.embedding: nn.Embedding | CodedEmbedding = CodedEmbedding(config.vocabulary, size)
            # There are far fewer pairs of letters than triples.
            rows = [config.ngram_rows // 4, *(config.ngram_rows for _ in range(3, longest + 1))]
            ngrams = NGramCell(
                size + 1,
                rows,
                (config.ngrams, config.evidence),
                config.ngram_width,
                config.labels,
            )
            stack.append(ngrams)
            size, passed = ngrams.output_size, ngrams.evidence_size
        else:
            self.embedding = nn.Embedding(config.vocabulary, size)
            nn.init.normal_(self.embedding.weight, std=size**-0.5)
        self._first = len(stack)
        for _ in range(config.layers):
            layer = cell(size, config.hidden)
            stack.append(Passing(layer, passed) if passed else layer)
            size = stack[-1].output_size
        if config.pool:
            # The mean of the evidence is what naive Bayes judges by; its maximum tells no more.
            stack.append(RunningPool(size, size - passed))
        self.layers = nn.ModuleList(stack)
        self.readout = nn.Linear(stack[-1].output_size, config.labels)

    def zeros(self, batch: int) -> State:
        """All layers' states, [batch, width] each, before the first character."""
        like = self.readout.weight
        return tuple(state for cell in self.cells() for state in cell.zeros(batch, like))

    def forward(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Tokens [batch, time] → logits [batch, time, labels], and the state after them."""
        x, after = self._hidden(tokens, state)
        return self.readout(x), after

    def last(self, tokens: Tensor, lengths: Tensor, own: Tensor | None = None) -> Tensor:
        """Logits [batch, labels] after each row's own last character, from the zero state.

        What follows it in a padded row comes later in time, and so cannot touch it.

        Args:
            own: label indices [batch] of rows that `count` was given, to leave them out of the
                evidence.
        """
        ngrams = [cell for cell in self.cells() if isinstance(cell, NGramCell)]
        for cell in ngrams:
            cell.own = own
        x, _ = self._hidden(tokens, self.zeros(len(tokens)))
        for cell in ngrams:
            cell.own = None
        rows = torch.arange(len(tokens), device=tokens.device)
        logits: Tensor = self.readout(x[rows, lengths - 1])
        return logits.float()

    def _hidden(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """What the readout sees, [batch, time, width], and the state after it."""
        x = self.embedding(tokens)
        after: list[Tensor] = []
        for index, cell in enumerate(self.cells()):
            if index == self._first:
                x = _drop_per_sequence(x, self.config.dropout, self.training)
            own = state[len(after) : len(after) + len(cell.state_sizes)]
            x, new = cell.scan(x, own)
            after += new
        return _drop_per_sequence(x, self.config.dropout, self.training), tuple(after)

    def count(self, tokens: Tensor, lengths: Tensor, labels: Tensor) -> None:
        """Takes the evidence from training texts: tokens [texts, time], lengths, label indices."""
        for cell in self.cells():
            if isinstance(cell, NGramCell):
                cell.count(tokens.to(cell.vectors.dtype) + 1, lengths, labels)

    def cells(self) -> Iterator[Cell]:
        """The layers, from the input up."""
        for layer in self.layers:
            assert isinstance(layer, Cell)
            yield layer


def parameter_count(model: nn.Module) -> int:
    """Number of trained scalars."""
    return sum(parameter.numel() for parameter in model.parameters())


def _drop_per_sequence(x: Tensor, rate: float, training: bool) -> Tensor:
    """Dropout with one mask for all times of a sequence (Gal & Ghahramani, 2016). [B, T, C]"""
    if not rate or not training:
        return x
    mask = torch.bernoulli(x.new_full((x.shape[0], 1, x.shape[2]), 1 - rate)) / (1 - rate)
    return x * mask
