"""A classifier's answers to labelled rows: what the metrics need of the logits.

Logits take rows × labels numbers of memory, answers a few numbers a row. So the logits may come in
blocks of rows.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from rnn_train.evaluation.calibration import Logits, block_rows
from rnn_train.evaluation.prediction_sets import PredictionSets

PRIORS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0)
"""Values of the option `prior` that are tried."""
Block = tuple[Tensor, Tensor]
"""Logits [some rows, labels], and the index of each row's true label [some rows]."""


@dataclass(frozen=True)
class Answers:
    """A classifier's answers to labelled rows."""

    count: int
    """Number of labels."""
    labels: Tensor
    """Index of each row's true label, [rows]."""
    predicted: Tensor
    """Index of the most likely label, [rows]."""
    ranks: Tensor
    """How many labels come before the true one, [rows]."""
    nats: Tensor
    """Cross-entropy, [rows]."""
    shares: Tensor
    """Probability of the most likely label, float64 [rows]."""
    by_prior: dict[float, Tensor] = field(default_factory=dict)
    """The most likely label by the value of `prior`, each [rows]; empty: there is no log-prior."""
    sets: PredictionSets | None = None

    @classmethod
    def of(
        cls, logits: Logits, labels: Tensor, log_prior: Sequence[float] | None = None
    ) -> "Answers":
        """Makes the answers of logits in memory.

        Args:
            logits: [rows, labels].
            labels: index of each row's true label, [rows].
            log_prior: see `of_blocks`.
        """
        return cls.of_blocks(_blocks(logits, labels), len(labels), log_prior)

    @classmethod
    def of_blocks(
        cls,
        blocks: Iterable[Block],
        rows: int,
        log_prior: Sequence[float] | None = None,
        prior: float = 0.0,
        threshold: float | None = None,
    ) -> "Answers":
        """Makes the answers of logits that come in blocks.

        Args:
            blocks: at least one.
            rows: of all blocks together.
            log_prior: log of each label's share of the training rows, [labels]; None: no other
                prior is tried.
            prior: lowers all logits by its share of `log_prior`, see `rnn_infer.Classifier`. Then
                they count, but for `by_prior`.
            threshold: of prediction sets, see `PredictionSets`; None: there are none.
        """
        shift = None if log_prior is None else torch.tensor(log_prior)
        whole, end = None, 0
        for logits, labels in blocks:
            tried = {} if shift is None else {p: (logits - p * shift).argmax(-1) for p in PRIORS}
            lowered = logits if shift is None or not prior else logits - prior * shift
            sets = None if threshold is None else PredictionSets.of(lowered, labels, threshold)
            part = _answers(lowered, labels, tried, sets)
            # Small results that stay in memory between the large ones would keep malloc from using
            # that place again, so room for all rows is taken at the start.
            whole = whole or part.room(rows)
            whole.put(end, part)
            end += len(labels)
            del part, tried, sets, lowered
        assert whole is not None, "there is a block at least"
        return whole

    def room(self, rows: int) -> "Answers":
        """Returns answers to so many rows, to be filled by `put`."""
        return Answers(
            self.count,
            self.labels.new_empty(rows),
            self.predicted.new_empty(rows),
            self.ranks.new_empty(rows),
            self.nats.new_empty(rows),
            self.shares.new_empty(rows),
            {prior: each.new_empty(rows) for prior, each in self.by_prior.items()},
            self.sets and self.sets.room(rows),
        )

    def put(self, begin: int, part: "Answers") -> None:
        """Fills in the answers to a block of rows, from row `begin` on."""
        rows = slice(begin, begin + len(part.labels))
        for whole, own in zip(self._columns(), part._columns(), strict=True):
            whole[rows] = own
        for prior, whole in self.by_prior.items():
            whole[rows] = part.by_prior[prior]
        if self.sets and part.sets:
            self.sets.holds[rows], self.sets.sizes[rows] = part.sets.holds, part.sets.sizes

    def _columns(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        return self.labels, self.predicted, self.ranks, self.nats, self.shares


def predictions(logits: Logits) -> Tensor:
    """Returns the most likely label of each row, [rows]."""
    rows, size = logits.shape[0], block_rows(logits.shape[-1])
    return torch.cat([logits[at : at + size].argmax(-1) for at in range(0, rows, size)])


def _blocks(logits: Logits, labels: Tensor) -> Iterator[Block]:
    size = block_rows(logits.shape[-1])
    for begin in range(0, len(labels), size):
        yield logits[begin : begin + size], labels[begin : begin + size]


def _answers(
    logits: Tensor, labels: Tensor, by_prior: dict[float, Tensor], sets: PredictionSets | None
) -> Answers:
    """Makes the answers of one block."""
    return Answers(
        logits.shape[-1],
        labels,
        logits.argmax(-1),
        ranks(logits, labels),
        cross_entropy(logits, labels, reduction="none"),
        torch.softmax(logits.double(), -1).max(-1).values,
        by_prior,
        sets,
    )


def ranks(logits: Tensor, labels: Tensor) -> Tensor:
    """Returns how many labels come before the true one, [rows].

    Of equal logits the first label comes first, as in `argmax` and in `rnn_infer`; `topk` has no
    such rule.

    Args:
        logits: [rows, labels].
        labels: index of each row's true label, [rows].
    """
    places, own = torch.arange(logits.shape[-1]), logits.gather(-1, labels[:, None])
    behind = (logits < own) | ((logits == own) & (places >= labels[:, None]))
    return len(places) - behind.sum(-1)
