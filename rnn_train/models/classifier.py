"""The classifier: embedding, recurrent layers of any cell, and a linear readout."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from rnn_train.models.cells import Cell, State
from rnn_train.models.custom_cell import find_cell
from rnn_train.models.dropout import drop_per_sequence
from rnn_train.models.embedding import CodedEmbedding
from rnn_train.models.ngrams import Counted, NGramCell
from rnn_train.models.pooling import PassThrough, RunningPool


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
    """Whether the readout also reads the running mean and maximum of the states."""
    dropout: float = 0.3
    ngrams: int = 1
    """Longest n-gram that has a trained vector, see `NGramCell`; 1: characters alone."""
    evidence: int = 1
    """Longest n-gram with a naive-Bayes weight of evidence for each label; 1: none."""
    ngram_rows: int = 14341
    """Table entries for each n from 3 up; with `frequent_ngrams`, of the largest table."""
    prefix: int = 0
    """Most characters of the word so far that has a trained vector, too; 0: it has none."""
    space: int = 0
    """Code (token + 1) of the character that separates words; 0: none."""
    frequent_ngrams: int = 0
    """Number of n-grams that have a vector of their own, the most frequent ones; all others share
    one. 0: each table entry has a vector."""
    ngram_width: int = 16
    """Width of the vector of an n-gram."""
    ngram_dropout: float = 0.0
    """Share of the n-grams' vectors that training reads as zeros."""
    bag: bool = False
    """Whether the n-grams' vectors pass the recurrent layers by: the readout reads them, and with
    `pool` their running mean."""

    @property
    def vector_tables(self) -> int:
        """Number of vectors of n-grams that are read at each character."""
        return self.ngrams - 1 + int(self.prefix > 0)

    @property
    def own_vectors(self) -> int:
        """Number of n-grams that have a vector of their own; 0: each table entry, or none, has."""
        return self.frequent_ngrams if self.vector_tables else 0

    @property
    def hash_rows(self) -> list[int]:
        """Table entries for the word so far, if it has vectors, and for n = 2, 3 …"""
        # There are far fewer pairs of characters than triples. Where no two frequent n-grams
        # should have one entry, there are far fewer triples than longer n-grams, too.
        smaller = {2: 16, 3: 4, 4: 2} if self.frequent_ngrams else {2: 4}
        orders = range(2, max(self.ngrams, self.evidence) + 1)
        rows = [max(1, self.ngram_rows // smaller.get(n, 1)) for n in orders]
        return [self.ngram_rows, *rows] if self.prefix else rows

    @property
    def reads_ngrams(self) -> bool:
        """Whether there is an `NGramCell`, the first layer."""
        return max(self.ngrams, self.evidence) > 1 or self.prefix > 0


class RecurrentClassifier(nn.Module):
    """Embedding → recurrent layers s_t = S(s_{t-1}, x_t) → logits y_t = W_s s_t + b_s.

    It gives logits at every time; those at the end of a text classify it.
    """

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        self.config = config
        cell = find_cell(config.cell)
        stack: list[Cell] = []
        size = config.embedding
        passed = 0
        if config.reads_ngrams:
            self.embedding: nn.Embedding | CodedEmbedding = CodedEmbedding(config.vocabulary, size)
            ngrams = NGramCell(
                size + 1,
                config.hash_rows,
                (config.ngrams, config.evidence),
                config.ngram_width,
                config.labels,
                config.prefix,
                config.space,
                config.own_vectors,
            )
            stack.append(ngrams)
            size, passed = ngrams.output_size, ngrams.evidence_size
            if config.bag:
                passed += config.vector_tables * config.ngram_width
        else:
            self.embedding = nn.Embedding(config.vocabulary, size)
            nn.init.normal_(self.embedding.weight, std=size**-0.5)
        self._first = len(stack)
        for _ in range(config.layers):
            layer = cell(size, config.hidden)
            stack.append(PassThrough(layer, passed) if passed else layer)
            size = stack[-1].output_size
        if config.pool:
            # Naive Bayes decides by the sum of the evidence, so its mean is enough: no maximum.
            stack.append(RunningPool(size, size - passed))
        self.layers = nn.ModuleList(stack)
        self.readout = nn.Linear(stack[-1].output_size, config.labels)

    def zeros(self, batch: int) -> State:
        """Return the states of all layers, each [batch, width], before the first character."""
        like = self.readout.weight
        return tuple(state for cell in self.cells() for state in cell.zeros(batch, like))

    def forward(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Compute the logits at all times of a sequence.

        Args:
            tokens: int64 [batch, time].
            state: before the first token, as in `zeros`.

        Returns:
            The logits [batch, time, labels], and the state after the last token.
        """
        x, after = self._hidden(tokens, state)
        return self.readout(x), after

    def last(self, tokens: Tensor, lengths: Tensor, own: Tensor | None = None) -> Tensor:
        """Compute the logits at the last character of each row, from the zero state.

        Args:
            tokens, lengths, own: see `piece`.

        Returns:
            The logits, float32 [batch, labels].
        """
        return self.piece(tokens, lengths, None, own)[0]

    def piece(
        self,
        tokens: Tensor,
        lengths: Tensor,
        state: State | None,
        own: Tensor | None = None,
        kept: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """Compute the logits at the last character of each piece of a text.

        Padding comes later in time, so it does not change them.

        Args:
            tokens: int64 [batch, time], padded at the end.
            lengths: int64 [batch], without the padding.
            state: before the first token; None: the zero state.
            own: label indices [batch], if `count` was given these rows. Each row is then left out
                of its own evidence.
            kept: what each n-gram's vector is multiplied by, [batch, time, tables]; None: 1.

        Returns:
            The logits, float32 [batch, labels], and the state after the pieces that have no
            padding.
        """
        with self._marked(own, kept):
            x, after = self._hidden(tokens, state, lengths)
        logits: Tensor = self.readout(x[:, 0])
        return logits.float(), after

    def of_ngrams(self, tokens: Tensor, lengths: Tensor, kept: Tensor | None = None) -> Tensor:
        """Compute the logits that the means of the n-grams' vectors alone give: a linear model
        whose weight matrix has a low rank. The config has `bag` and `pool`.

        Args:
            tokens, lengths, kept: see `piece`.

        Returns:
            The logits, float32 [batch, labels].
        """
        with self._marked(None, kept):
            means = self._ngrams.means(tokens + 1, lengths)
        means = drop_per_sequence(means[:, None], self.config.dropout, self.training)[:, 0]
        weights = self.readout.weight[:, self._columns_of_means]
        return nn.functional.linear(means, weights, self.readout.bias).float()

    @torch.no_grad()
    def read_ngrams_alone(self) -> None:
        """Set what the readout reads beside the means of the n-grams' vectors to zero: the logits
        are then those of `of_ngrams`."""
        means = self.readout.weight[:, self._columns_of_means].clone()
        self.readout.weight.zero_()
        self.readout.weight[:, self._columns_of_means] = means

    @property
    def _ngrams(self) -> NGramCell:
        (found,) = (cell for cell in self.cells() if isinstance(cell, NGramCell))
        return found

    @property
    def _columns_of_means(self) -> slice:
        """Columns of the readout: the means of the n-grams' vectors."""
        config, pool = self.config, self.layers[-1]
        assert config.bag
        assert isinstance(pool, RunningPool)
        begin = pool.input_size + pool.peaks
        return slice(begin, begin + config.vector_tables * config.ngram_width)

    @contextmanager
    def _marked(self, own: Tensor | None, kept: Tensor | None) -> Iterator[None]:
        """Tell the n-gram layer about the rows of a batch, while they are read."""
        ngrams = [cell for cell in self.cells() if isinstance(cell, NGramCell)]
        for cell in ngrams:
            cell.own, cell.kept = own, kept
        try:
            yield
        finally:  # rows that come after an error have other labels
            for cell in ngrams:
                cell.own = cell.kept = None

    def read_on(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Read a piece of a text, and compute the logits at its last character.

        Args:
            tokens: int64 [batch, time], without padding.
            state: before the first token.

        Returns:
            The logits [batch, labels], and the state after the piece.
        """
        x, after = self._hidden(tokens, state)
        return self.readout(x[:, -1]).float(), after

    def _hidden(
        self, tokens: Tensor, state: State | None, lengths: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Compute what the readout reads, and the state after it.

        Args:
            tokens: int64 [batch, time].
            state: before the first token; None: the zero state.
            lengths: of the pieces [batch]; None: all times are computed.

        Returns:
            [batch, time, width], or [batch, 1, width] at the end of each text; and the state, which
            is that of the padded sequence.
        """
        x = self.embedding(tokens)
        given = self.zeros(len(tokens)) if state is None else state
        after: list[Tensor] = []
        for index, cell in enumerate(self.cells()):
            if index == self._first:
                x = drop_per_sequence(x, self.config.dropout, self.training)
            own = given[len(after) : len(after) + len(cell.state_sizes)]
            if lengths is not None and isinstance(cell, RunningPool):
                x, new = cell.at_end(x, lengths, None if state is None else own)
                after += new
                break  # it is the last one
            x, new = cell.scan(x, own)
            after += new
        else:
            if lengths is not None:
                x = x[torch.arange(len(x), device=x.device), lengths - 1][:, None]
        return drop_per_sequence(x, self.config.dropout, self.training), tuple(after)

    def count(self, batches: Iterable[Counted]) -> None:
        """Count n-grams for the naive-Bayes weights of evidence; see `NGramCell.count`.

        Args:
            batches: of the training texts. Their codes are tokens, which this function changes to
                codes.
        """
        for cell in self.cells():
            if isinstance(cell, NGramCell):
                cell.count(replace(batch, codes=batch.codes + 1) for batch in batches)

    def choose_ngrams(self, batches: Iterable[Counted], weights: Tensor | None = None) -> None:
        """Give the most frequent n-grams a vector each.

        Args:
            batches: see `count`.
            weights: see `NGramCell.choose`.
        """
        if self.config.own_vectors:
            coded = (replace(batch, codes=batch.codes + 1) for batch in batches)
            self._ngrams.choose(coded, weights)

    def cells(self) -> Iterator[Cell]:
        """Yield the layers, from the input up."""
        for layer in self.layers:
            assert isinstance(layer, Cell)
            yield layer
