"""A layer of n-grams: what a linear model knows of a text, for a recurrent layer to build on."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from rnn_train.models.cells import Cell, State

FACTOR = 257
"""Of the polynomial hash: a prime, so that two letters of one byte each never collide by it."""
MAX_NGRAM_ROWS = 2**15
"""Up to it a row times the factor, plus a code, is below 2**24, and so are the whole parts of its
quotients: float32 holds them exactly."""
_UNSEEN = 0.1
"""Count that each n-gram starts with."""
_EVIDENCE_SCALE = 0.1
"""Brings log odds to the size of other inputs."""


class NGramCell(Cell):
    """Vectors of the last two, three … characters together, beside each character's own.

    What a linear model knows of a text are its n-grams; with them a small recurrent layer need
    not find them by itself. They are looked up by a hash (Bojanowski et al., 2017, "Enriching
    word vectors with subword information"), and the state holds the codes of the last
    characters, so that streaming stays exact. Of each n-gram there is a vector that is trained,
    and the evidence of naive Bayes for each label, which `count` fills in.

    The last column of its input must be the character's code, a whole number from 1; the others
    are passed on.
    """

    sizes: Tensor
    """Entries of the n-grams of each n, [orders]."""
    begins: Tensor
    """The first of them, [orders]."""
    reach: Tensor
    """1 where a place, newest first, belongs to the n-grams of an n, [places, orders]."""
    _without: Tensor
    """What leaving one text of its own label out changes in each number of the evidence."""

    def __init__(
        self,
        input_size: int,
        rows: Sequence[int],
        longest: tuple[int, int],
        width: int = 16,
        labels: int = 0,
    ) -> None:
        """Empty of evidence.

        Args:
            rows: entries for n = 2, 3 …
            longest: n up to which there are vectors, and n up to which there is evidence.
            width: of a vector.
            labels: that there is evidence for.
        """
        super().__init__(input_size, {"codes": len(rows) + 1})
        assert max(rows) <= MAX_NGRAM_ROWS
        self.rows = tuple(rows)
        self.longest = longest
        vectors, evidence = (sum(rows[: n - 1]) for n in longest)
        self.vectors = nn.Parameter(torch.randn(vectors, width) * width**-0.5)
        self.evidence = nn.Parameter(torch.zeros(evidence, labels), requires_grad=False)
        self.own: Tensor | None = None
        """Label index of each row of the batch, [batch], while it is one that was counted."""
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
        """Columns of evidence, the last of the output."""
        return (self.longest[1] - 1) * self.evidence.shape[1]

    def forward(self, x: Tensor, state: State) -> State:
        (codes,) = state
        return (torch.cat([x[:, -1:], codes[:, :-1]], -1),)

    def output(self, x: Tensor, state: State) -> Tensor:
        (codes,) = state
        return self._beside(x, codes)

    def scan(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        windows = self._windows(x[:, :, -1], state[0])
        return self._beside(x, windows), (windows[:, -1],)

    @torch.no_grad()
    def count(self, codes: Tensor, lengths: Tensor, labels: Tensor) -> None:
        """Fills in the evidence: log p(n-gram | label), less its mean over all labels.

        Args:
            codes: of training texts, [texts, time]; what is beyond a text's length is skipped.
            labels: index of each text's label, [texts].
        """
        known = self.evidence.shape[1]
        windows = self._windows(codes, codes.new_zeros(len(codes), self.state_sizes["codes"]))
        inside = torch.arange(codes.shape[1], device=codes.device) < lengths[:, None]
        label = labels[:, None].expand_as(inside)[inside]
        found = torch.full_like(self.evidence, _UNSEEN)
        entries = self._entries(windows)[: self.longest[1] - 1]
        begin = 0
        for rows, entry in zip(self.rows, entries, strict=False):
            flat = entry[inside] * known + label
            found.view(-1).index_add_(0, flat, torch.ones_like(flat, dtype=found.dtype))
            share = found[begin : begin + rows]
            evidence = torch.log(share / share.sum(0))
            centred = evidence - evidence.mean(1, keepdim=True)
            self.evidence[begin : begin + rows] = _EVIDENCE_SCALE * centred
            begin += rows
        less_one = torch.log((found - 1).clamp(min=_UNSEEN) / found)
        self._without = _EVIDENCE_SCALE * torch.where(found < 1, 0.0, less_one)

    def _windows(self, codes: Tensor, before: Tensor) -> Tensor:
        """Codes [batch, time] → those of the last characters at each time, newest first."""
        run = torch.cat([before.flip(-1), codes], -1)
        return run.unfold(1, before.shape[1], 1)[:, 1:].flip(-1)

    def _beside(self, x: Tensor, codes: Tensor) -> Tensor:
        entries = self._entries(codes)
        vectors, evidence = self.longest
        look_up = nn.functional.embedding
        parts = [look_up(entry, self.vectors) for entry in entries[: vectors - 1]]
        parts += [self._weighed(entry) for entry in entries[: evidence - 1]]
        return torch.cat([x[..., :-1], *parts], -1)

    def _weighed(self, entry: Tensor) -> Tensor:
        """Evidence of table entries [batch, time] → [batch, time, labels].

        In training the row's own share is left out: an n-gram that it alone has would tell its
        label, and the network would learn to trust what it will not have on a new text.
        """
        evidence = nn.functional.embedding(entry, self.evidence)
        if self.own is None:
            return evidence
        labels = self.evidence.shape[1]
        own = self.own[:, None].expand_as(entry)
        change = self._without[entry, own][..., None]
        return (evidence - change / labels).scatter_add(-1, own[..., None], change)

    def _entries(self, codes: Tensor) -> Tensor:
        """Table entries of the n-grams of all n: codes [..., newest first] → [orders, ...]."""
        each_order = (-1, *(1 for _ in codes.shape[:-1]))
        rows = self.sizes.view(each_order)
        row = codes.new_zeros(len(self.rows), *codes.shape[:-1])
        for place in reversed(range(codes.shape[-1])):
            row = row * FACTOR + self.reach[place].view(each_order) * codes[..., place]
            row = row - (row / rows).long() * rows  # model files have no Mod
        return row.long() + self.begins.view(each_order)
