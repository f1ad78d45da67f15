"""A layer of n-gram features: what a linear model reads of a text, for a recurrent layer above."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rnn_train.models.cells import Cell, State
from rnn_train.models.hashing import NGramHash

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

    Vectors may also be for the word so far, see `NGramHash`. If only the most frequent n-grams have
    a vector, each has its own, and all others share one (Joulin et al., 2016, "FastText.zip:
    Compressing text classification models", keep the n-grams that matter in the same way).

    The state holds the codes of the last characters, so streaming gives the same numbers. The last
    column of the input must be the character's code, a whole number from 1; the other columns are
    passed on.
    """

    row_of: Tensor
    """Row of the vector of each table entry, [entries], if frequent n-grams alone have one."""
    _without: Tensor
    """The change of each weight of evidence if one text of its own label is left out."""

    def __init__(
        self,
        input_size: int,
        rows: Sequence[int],
        longest: tuple[int, int],
        width: int = 16,
        labels: int = 0,
        prefix: int = 0,
        space: int = 0,
        frequent: int = 0,
    ) -> None:
        """Start with random vectors and zero evidence.

        Args:
            input_size: width of the input, with the code.
            rows: table entries for the word so far, if it has vectors, and for n = 2, 3 …
            longest: the largest n with vectors, and the largest n with evidence; 1: none.
            width: of a vector.
            labels: number of labels.
            prefix: most characters of the word so far that has a vector, too; 0: it has none.
            space: code that separates words; 0: none.
            frequent: number of n-grams that have a vector of their own, see `choose`; 0: each table
                entry has one.
        """
        hashed = NGramHash(rows, prefix, space)
        super().__init__(input_size, {"codes": hashed.places})
        self.hash = hashed
        self.longest = longest
        words = int(prefix > 0)
        self.vector_tables = words + longest[0] - 1
        """Number of tables that have vectors: the first ones."""
        self.evidence_tables = slice(words, words + longest[1] - 1)
        """Tables that have evidence."""
        self._entries = sum(rows[: self.vector_tables])
        self.frequent = frequent
        self.vectors = nn.Parameter(
            torch.randn(frequent + 1 if frequent else self._entries, width) * width**-0.5
        )
        evidence = sum(rows[self.evidence_tables])
        self.evidence = nn.Parameter(torch.zeros(evidence, labels), requires_grad=False)
        self.own: Tensor | None = None
        """The label index of each row [batch], while the batch holds rows that were counted."""
        self.kept: Tensor | None = None
        """What each vector is multiplied by, [batch, time, tables], while some are dropped."""
        chosen = torch.full((self._entries,), frequent) if frequent else torch.zeros(0)
        self.register_buffer("row_of", chosen.long(), persistent=frequent > 0)
        self.register_buffer("_without", torch.zeros(0), persistent=False)

    @property
    def output_size(self) -> int:
        vectors = self.vector_tables * self.vectors.shape[1]
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
        return self._join(x, self.hash.of_sequences(codes)), (after,)

    def means(self, codes: Tensor, lengths: Tensor) -> Tensor:
        """Compute the mean over time of the vectors of each table: what a running pool gives at the
        end of a text, at a fraction of the cost.

        Args:
            codes: whole numbers from 1, [batch, time].
            lengths: codes of each text, [batch].

        Returns:
            [batch, tables * width].
        """
        batch, time = codes.shape
        tables = self.vector_tables
        before = codes.new_zeros(batch, self.hash.places)
        found = self.hash.of_sequences(self._run(codes, before))[:tables]
        rows = self._rows_of(torch.stack(found, 1))
        inside = torch.arange(time, device=codes.device) < lengths[:, None]
        inside = inside[:, None].expand_as(rows)
        weights = (1 / lengths)[:, None, None].expand_as(rows)
        if self.kept is not None:
            weights = weights * self.kept.transpose(1, 2)
        counts = lengths.repeat_interleave(tables)
        sums: Tensor = nn.functional.embedding_bag(
            rows[inside],
            self.vectors,
            counts.cumsum(0) - counts,
            mode="sum",
            per_sample_weights=weights[inside],
        )
        return sums.view(batch, -1)

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
        for rows in self.hash.rows[self.evidence_tables]:
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
        for entry, label in self._counted(batch, self.evidence_tables):
            flat = (entry - self.before_evidence) * known + label
            found.view(-1).index_add_(0, flat, torch.ones_like(flat, dtype=found.dtype))

    @torch.no_grad()
    def choose(self, batches: Iterable[Counted], weights: Tensor | None = None) -> None:
        """Give the most frequent n-grams a vector each. All others share the last one.

        Args:
            batches: of the training texts.
            weights: how often a text of each label counts, float64 [labels]; None: once.
        """
        counts = torch.zeros(self._entries, dtype=torch.float64)
        for batch in batches:
            for entry, label in self._counted(batch, slice(self.vector_tables)):
                each = None if weights is None else weights[label]
                counts += torch.bincount(entry, each, minlength=self._entries)
        # In the order of the entries, so that near entries stay near; ties by place.
        order = torch.argsort(counts, descending=True, stable=True)[: self.frequent]
        chosen = order[counts[order] > 0].sort().values
        self.row_of.fill_(self.frequent)
        self.row_of[chosen] = torch.arange(len(chosen)).to(self.row_of)

    def _counted(self, batch: Counted, tables: slice) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the table entries of all n-grams of texts [n-grams], and the labels of the texts,
        for each table."""
        codes = batch.codes
        time = torch.arange(codes.shape[1], device=codes.device)
        inside = (time >= batch.skip) & (time < batch.lengths[:, None])
        label = batch.labels[:, None].expand_as(inside)[inside]
        run = self._run(codes, codes.new_zeros(len(codes), self.hash.places))
        for entry in self.hash.of_sequences(run)[tables]:
            yield entry[inside], label

    def _run(self, codes: Tensor, before: Tensor) -> Tensor:
        """Put the codes of a state [batch, places] before those of a sequence [batch, time]."""
        return torch.cat([before.flip(-1), codes], -1)

    def _rows_of(self, entries: Tensor) -> Tensor:
        """Return the rows of the vectors of table entries [...]."""
        return self.row_of[entries] if self.frequent else entries

    @property
    def before_evidence(self) -> int:
        """Entries of the tables before those that have evidence."""
        return sum(self.hash.rows[: self.evidence_tables.start])

    def _with_features(self, x: Tensor, codes: Tensor) -> Tensor:
        """Put the features beside x [..., input], with codes [..., places]: [..., output]."""
        return self._join(x, [*self.hash.of_codes(codes)])

    def _join(self, x: Tensor, entries: Sequence[Tensor]) -> Tensor:
        """Put the features of entries [...], for each table, beside x [..., input].

        Returns:
            [..., output].
        """
        parts = [x[..., :-1]]
        if self.vector_tables:
            # One look-up for all tables: its gradient has the size of all vectors.
            places = self._rows_of(torch.stack([*entries[: self.vector_tables]], -1))
            found = nn.functional.embedding(places, self.vectors)
            found = found if self.kept is None else found * self.kept[..., None].to(found.dtype)
            parts.append(found.flatten(-2))
        for entry in entries[self.evidence_tables]:
            parts.append(self._evidence_of(entry - self.before_evidence))
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
