"""A layer of n-gram features: what a linear model reads of a text, for a recurrent layer above."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from rnn_train.models.cells import Cell, State

FACTOR = 257
"""Base of the polynomial hash: a prime above 256, so that pairs of codes below it do not collide
before the hash is reduced to the table's size."""
MAX_NGRAM_ROWS = 2**15
"""Largest table. A row times FACTOR, plus a code, then stays below 2**24, so float32 holds it
exactly, as well as the whole part of its quotient."""
_UNSEEN = 0.1
"""The count of an n-gram that was never seen, for smoothing."""
_EVIDENCE_SCALE = 0.1
"""Scales log-count ratios to the size of the other inputs."""


@dataclass(frozen=True)
class Counted:
    """Training texts whose n-grams are counted, or pieces of such texts."""

    codes: Tensor
    """[texts, time]."""
    lengths: Tensor
    """Codes of each text, [texts]; later ones are padding."""
    labels: Tensor
    """Label index of each text, [texts]."""
    skip: Tensor | int = 0
    """Codes at the begin of each text at which no counted n-gram ends, [texts, 1] or for all."""


class NGramCell(Cell):
    """Features of the n-grams that end at each character, beside the character's own vector.

    n-grams are the features of a linear model. With them, a small recurrent layer need not learn
    them itself. Each n-gram has two kinds of features, both found by a hash in a table
    (Bojanowski et al., 2017, "Enriching word vectors with subword information"):

    - a trained vector;
    - the naive-Bayes weight of evidence for each label: log-count ratios, which `count` computes
      (Wang & Manning, 2012, "Baselines and bigrams: simple, good sentiment and topic
      classification").

    The state holds the codes of the last characters, so streaming gives the same numbers. The last
    column of the input must be the character's code, a whole number from 1; the other columns are
    passed on.
    """

    sizes: Tensor
    """Table entries for each n, [orders]."""
    begins: Tensor
    """The first table entry for each n, [orders]."""
    reach: Tensor
    """1 if a place (newest first) belongs to the n-gram of an n, else 0, [places, orders]."""
    _without: Tensor
    """The change of each weight of evidence if one text of its own label is left out."""

    def __init__(
        self,
        input_size: int,
        rows: Sequence[int],
        longest: tuple[int, int],
        width: int = 16,
        labels: int = 0,
    ) -> None:
        """Start with random vectors and zero evidence.

        Args:
            input_size: width of the input, with the code.
            rows: table entries for n = 2, 3 …
            longest: the largest n with vectors, and the largest n with evidence; 1: none.
            width: of a vector.
            labels: number of labels.
        """
        super().__init__(input_size, {"codes": len(rows) + 1})
        assert max(rows) <= MAX_NGRAM_ROWS
        self.rows = tuple(rows)
        self.longest = longest
        vectors, evidence = (sum(rows[: n - 1]) for n in longest)
        self.vectors = nn.Parameter(torch.randn(vectors, width) * width**-0.5)
        self.evidence = nn.Parameter(torch.zeros(evidence, labels), requires_grad=False)
        self.own: Tensor | None = None
        """The label index of each row [batch], while the batch holds rows that were counted."""
        self.kept: Tensor | None = None
        """What each vector is multiplied by, [batch, time, orders], while some are dropped."""
        begins = np.cumsum(rows) - rows
        self.register_buffer("sizes", torch.tensor(rows, dtype=torch.float32), persistent=False)
        self.register_buffer("begins", torch.from_numpy(begins), persistent=False)
        orders = torch.arange(2, len(rows) + 2)
        belongs = torch.arange(len(rows) + 1)[:, None] < orders
        self.register_buffer("reach", belongs.float(), persistent=False)
        self.register_buffer("_without", torch.zeros(0), persistent=False)

    @property
    def output_size(self) -> int:
        vectors = (self.longest[0] - 1) * self.vectors.shape[1]
        return self.input_size - 1 + vectors + self.evidence_size

    @property
    def evidence_size(self) -> int:
        """Number of evidence columns. They are the last columns of the output."""
        return (self.longest[1] - 1) * self.evidence.shape[1]

    def forward(self, x: Tensor, state: State) -> State:
        (codes,) = state
        return (torch.cat([x[:, -1:], codes[:, :-1]], -1),)

    def output(self, x: Tensor, state: State) -> Tensor:
        (codes,) = state
        return self._with_features(x, codes)

    def scan(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        codes = self._run(x[:, :, -1].detach(), state[0])
        places = state[0].shape[1]
        after = codes[:, codes.shape[1] - places :].flip(-1)
        return self._join(x, self._whole_entries(codes)), (after,)

    def means(self, codes: Tensor, lengths: Tensor) -> Tensor:
        """Compute the mean over time of the vectors of each order: what a running pool gives at the
        end of a text, at a fraction of the cost.

        Args:
            codes: whole numbers from 1, [batch, time].
            lengths: codes of each text, [batch].

        Returns:
            [batch, orders * width].
        """
        batch, time = codes.shape
        orders = self.longest[0] - 1
        before = codes.new_zeros(batch, len(self.rows) + 1)
        entries = torch.stack(self._whole_entries(self._run(codes, before))[:orders], 1)
        inside = torch.arange(time, device=codes.device) < lengths[:, None]
        inside = inside[:, None].expand_as(entries)
        weights = (1 / lengths)[:, None, None].expand_as(entries)
        if self.kept is not None:
            weights = weights * self.kept.transpose(1, 2)
        counts = lengths.repeat_interleave(orders)
        found: Tensor = nn.functional.embedding_bag(
            entries[inside],
            self.vectors,
            counts.cumsum(0) - counts,
            mode="sum",
            per_sample_weights=weights[inside],
        )
        return found.view(batch, -1)

    @torch.no_grad()
    def count(self, batches: Iterable[Counted]) -> None:
        """Compute the weights of evidence: log p(n-gram | label), minus its mean over all labels.

        Args:
            batches: of the training texts.
        """
        found = torch.full_like(self.evidence, _UNSEEN)
        for batch in batches:
            self._add(batch, found)
        begin = 0
        for rows in self.rows[: self.longest[1] - 1]:
            share = found[begin : begin + rows]
            evidence = torch.log(share / share.sum(0))
            centred = evidence - evidence.mean(1, keepdim=True)
            self.evidence[begin : begin + rows] = _EVIDENCE_SCALE * centred
            begin += rows
        less_one = torch.log((found - 1).clamp(min=_UNSEEN) / found)
        self._without = _EVIDENCE_SCALE * torch.where(found < 1, 0.0, less_one)

    def _add(self, batch: Counted, found: Tensor) -> None:
        """Add the n-grams of texts to the counts [entries, labels]."""
        known = self.evidence.shape[1]
        codes = batch.codes
        time = torch.arange(codes.shape[1], device=codes.device)
        inside = (time >= batch.skip) & (time < batch.lengths[:, None])
        label = batch.labels[:, None].expand_as(inside)[inside]
        run = self._run(codes, codes.new_zeros(len(codes), self.state_sizes["codes"]))
        for entry in self._whole_entries(run)[: self.longest[1] - 1]:
            flat = entry[inside] * known + label
            found.view(-1).index_add_(0, flat, torch.ones_like(flat, dtype=found.dtype))

    def _run(self, codes: Tensor, before: Tensor) -> Tensor:
        """Put the codes of a state [batch, places] before those of a sequence [batch, time]."""
        return torch.cat([before.flip(-1), codes], -1)

    def _whole_entries(self, run: Tensor) -> list[Tensor]:
        """Hash the n-grams of whole sequences, as `_entries` does, in whole numbers.

        Args:
            run: codes [batch, places + time], with those before the sequence.

        Returns:
            Entries [batch, time], for each n.
        """
        codes = run.to(torch.int32)  # a row times FACTOR, plus a code, stays below 2**31
        places = len(self.rows) + 1
        time = codes.shape[1] - places
        found, begin = [], 0
        for n, rows in enumerate(self.rows, 2):
            row = codes[:, places - n + 1 : places - n + 1 + time] % rows
            for place in range(n - 2, -1, -1):
                row = (row * FACTOR + codes[:, places - place : places - place + time]) % rows
            found.append(row.long() + begin)
            begin += rows
        return found

    def _with_features(self, x: Tensor, codes: Tensor) -> Tensor:
        """Put the features beside x [..., input], with codes [..., places]: [..., output]."""
        return self._join(x, self._entries(codes))

    def _join(self, x: Tensor, entries: Tensor | Sequence[Tensor]) -> Tensor:
        """Put the features of entries [...], for each n, beside x [..., input]: [..., output]."""
        vectors, evidence = self.longest
        parts = [x[..., :-1]]
        if vectors > 1:
            # One look-up for all n: its gradient has the size of the whole table.
            places = torch.stack([*entries[: vectors - 1]], -1)
            found = nn.functional.embedding(places, self.vectors)
            found = found if self.kept is None else found * self.kept[..., None].to(found.dtype)
            parts.append(found.flatten(-2))
        parts += [self._evidence_of(entry) for entry in entries[: evidence - 1]]
        return torch.cat(parts, -1)

    def _evidence_of(self, entry: Tensor) -> Tensor:
        """Look up the evidence of table entries [batch, time]: [batch, time, labels].

        In training, each row is left out of its own evidence. Otherwise an n-gram that no other
        text has would give away the row's label, and the network would learn to trust evidence
        that a new text does not have.
        """
        evidence = nn.functional.embedding(entry, self.evidence)
        if self.own is None:
            return evidence
        labels = self.evidence.shape[1]
        own = self.own[:, None].expand_as(entry)
        change = self._without[entry, own][..., None]
        return (evidence - change / labels).scatter_add(-1, own[..., None], change)

    def _entries(self, codes: Tensor) -> Tensor:
        """Hash the n-grams of all n: codes [..., places], newest first → entries [orders, ...]."""
        each_order = (-1, *(1 for _ in codes.shape[:-1]))
        rows = self.sizes.view(each_order)
        row = codes.new_zeros(len(self.rows), *codes.shape[:-1])
        for place in reversed(range(codes.shape[-1])):
            row = row * FACTOR + self.reach[place].view(each_order) * codes[..., place]
            row = (
                row - (row / rows).long() * rows
            )  # `%`: model files must not hold the operator Mod
        return row.long() + self.begins.view(each_order)
