"""The objective of the classifier: predict the label after the last character."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from rnn_train.data.alphabet import Alphabet, label_indices
from rnn_train.data.encoded_rows import AnyRows, EncodedRows
from rnn_train.data.row_reader import MARKS, RowBatches, RowReader
from rnn_train.distributed.share import WHOLE
from rnn_train.evaluation.classification import held_out_logits
from rnn_train.models.cells import State
from rnn_train.models.classifier import RecurrentClassifier
from rnn_train.models.dropout import drawn_for
from rnn_train.models.ngrams import NGramCell
from rnn_train.tasks.classifier.validation_rows import validation_sample
from rnn_train.training.config import TrainingConfig
from rnn_train.wording import counted

BFLOAT16_WIDTH = 256
"""Narrower layers are not faster in bfloat16: conversion costs more (`benchmarks/cells.py`)."""
WINDOW = 4096
"""Most characters of a text that one step reads. A longer text takes several steps, which carry the
state; the gradient goes back to the begin of a window (truncated BPTT)."""
BATCH_TOKENS = 1 << 15
"""Characters of a batch at most, with padding: they bound the memory of a step."""


def batches_of(
    rows: EncodedRows, alphabet: Alphabet, config: TrainingConfig, seed: int
) -> RowBatches:
    """Returns the rows and the window of each step."""
    lengths = RowReader(rows, alphabet).lengths
    return RowBatches(lengths, config.batch, BATCH_TOKENS, seed, WINDOW)


def window_warnings(rows: EncodedRows) -> list[str]:
    """Returns a warning if rows are longer than a window."""
    if not (long := int((rows.lengths + MARKS > WINDOW).sum())):
        return []
    return [
        f"{counted(long, 'row is', 'rows are')} longer than {WINDOW:,} characters: training reads "
        f"such rows in windows of {WINDOW:,}, one a step, and the gradient does not go back "
        "beyond a window; to read less of them, give --max-length"
    ]


@dataclass(frozen=True)
class TaughtRows:
    """Texts that a student reads, and what its teachers predict for them."""

    rows: EncodedRows
    """The texts. Their labels do not count."""
    probabilities: NDArray[np.floating]
    """[rows, labels]; memory-mapped, if they are many."""
    order: NDArray[np.int64]
    """Indices of the texts of an epoch. A text may be among them more than once."""


class ClassifierObjective:
    """Cross-entropy after the last character, against the labels or against soft targets.

    A model that reads a bag of n-grams may first train the n-grams' vectors alone: that takes a
    fraction of the time of the whole network, which starts from them in the last phase.
    """

    unit = "texts"
    measures = False
    restart_rate = 0.1

    def __init__(
        self,
        model: RecurrentClassifier,
        alphabet: Alphabet,
        train: AnyRows,
        held_out: AnyRows,
        batch: int,
        character_dropout: float,
        seed: int,
        device: torch.device,
        balance: float = 0.0,
        taught: TaughtRows | None = None,
        ngrams_alone: float = 0.0,
    ) -> None:
        """
        Args:
            model: the model, on `device`.
            alphabet: tokens and labels.
            train: rows to train on.
            held_out: rows to validate on; may be empty.
            batch: rows in a batch.
            character_dropout: share of a text's characters that are read as unknown.
            seed: of the order of the batches.
            device: where to train.
            balance: 0: predictions assume the label frequencies of `train`; 1: equal frequencies.
                Logit adjustment in the loss (Menon et al., 2021, "Long-tail learning via logit
                adjustment", equation 10).
            taught: rows to learn in place of `train`, of which the label frequencies still count.
            ngrams_alone: share of the run that trains the n-grams' vectors alone; the model has
                `bag` and `pool`, and reads nothing else yet.
        """
        self.model = model
        self._ngrams_alone = ngrams_alone
        self._begun: int | None = None if ngrams_alone else 0
        """Step from which on the whole network is trained."""
        if ngrams_alone:
            model.read_ngrams_alone()
        self.share = WHOLE
        train = EncodedRows.of(train)
        self._taught = taught
        self._reader = RowReader(taught.rows.take(taught.order) if taught else train, alphabet)
        self._batches = RowBatches(self._reader.lengths, batch, BATCH_TOKENS, seed, WINDOW)
        self._state: State | None = None
        """State of the rows of a batch after the last window, if they go on."""
        self._labels = label_indices(train, alphabet)
        self._held_out = validation_sample(EncodedRows.of(held_out))
        self._alphabet = alphabet
        self._dropout = character_dropout
        self._shift = balance * torch.tensor(alphabet.log_prior(train), device=device)
        self._seed = seed
        self._device = device

    @property
    def bfloat16(self) -> bool:
        """Only wide layers are faster in it. The accuracy on surnames is the same."""
        return self.model.config.hidden >= BFLOAT16_WIDTH

    @property
    def batches(self) -> int:
        """Number of batches in the first epoch."""
        return self._batches.per_epoch

    @property
    def gates(self) -> Sequence[nn.Parameter]:
        """None: a user's own cell may have parameters of any kind."""
        return ()

    @property
    def tables(self) -> Sequence[nn.Parameter]:
        """The vectors of n-grams."""
        cells = self.model.cells()
        return [each.vectors for each in cells if isinstance(each, NGramCell)]

    @property
    def phase(self) -> int | None:
        """Step from which on the whole network is trained; None: n-grams are trained alone."""
        return self._begun

    @property
    def last_phase_from(self) -> float:
        """Share of the run after which the whole network is trained; 1: it is already."""
        return self._ngrams_alone if self._begun is None else 1.0

    def begin_last_phase(self, model: nn.Module, step: int) -> list[str]:  # noqa: ARG002
        """Trains the whole network from here on."""
        self._begun = step
        return [f"step {step}  n-grams are trained; from here on the whole network is"]

    @property
    def carried(self) -> Sequence[Tensor]:
        """State of the rows of a batch after the last window, if they go on."""
        return self._state or ()

    def loss(self, step: int) -> tuple[Tensor, int]:
        """Computes the mean loss of step `step`, in nats, and counts the texts that end in it.

        The batch of long rows takes a step for each of its windows, with the state carried. In each
        the rows are classified by what was read so far, so that the first window learns too. The
        gradient of a row's earlier windows weighs as much in all as that of its last. The gradient
        of a batch weighs as its rows do; see `RowBatches.weight`.
        """
        chosen, _ = self._batches.at(step)
        loss, texts = self._mean_loss(step)
        weight = self._batches.weight(len(chosen))
        if weight == 1:
            return loss, texts
        # The value is the mean of all rows, so that it can be compared from step to step.
        return weight * loss + (1 - weight) * loss.detach(), texts

    def _mean_loss(self, step: int) -> tuple[Tensor, int]:
        """Computes the mean loss of a step, whatever the number of its rows."""
        chosen, number = self._batches.at(step)
        begin, texts = number * WINDOW, len(chosen)
        goes_on = self._reader.lengths[chosen] > begin
        before = self._carried(chosen, goes_on, begin)
        chosen = chosen[goes_on]
        windows = -(-self._reader.lengths[chosen] // WINDOW)
        ends, count = windows == number + 1, len(chosen)
        with drawn_for(self.share, count):
            logits, after = self._read(chosen, begin, before)
        if not ends.all():
            self._keep(after, count)
        rows = self.share.rows
        chosen, weights = chosen[rows], np.where(ends, 1.0, 1 / windows)[rows]
        if not len(chosen):  # a small batch, and many processes
            return torch.zeros((), device=self._device, requires_grad=True), int(ends.sum())
        targets = self._targets(chosen)
        if windows.max() == 1:
            loss = cross_entropy(logits, targets)
            return loss if self.share == WHOLE else loss * (len(chosen) / count), texts
        losses = cross_entropy(logits, targets, reduction="none")
        part = (losses * torch.from_numpy(weights).to(losses)).sum() / texts
        return part + (losses.sum() / count - part).detach(), int(ends.sum())

    def _read(
        self, chosen: NDArray[np.int64], begin: int, before: State | None
    ) -> tuple[Tensor, State]:
        """Reads a window of rows: logits of the rows of the share, and the state after it."""
        tokens, lengths = self._reader.read(chosen, begin, WINDOW)
        tokens, lengths = tokens.to(self._device), lengths.to(self._device)
        if self._dropout:
            dropped = torch.rand(tokens.shape, device=self._device) < self._dropout
            tokens = torch.where(dropped, self._alphabet.unknown, tokens)
        kept, rows = self._kept(tokens), self.share.rows
        chosen, tokens, lengths = chosen[rows], tokens[rows], lengths[rows]
        if not len(chosen):
            return self._shift, self.model.zeros(0)
        if self.share != WHOLE:
            tokens = tokens[:, : int(lengths.max())]
            before = before and tuple(each[rows] for each in before)
            kept = None if kept is None else kept[rows, : tokens.shape[1]]
        if self._begun is None:
            logits = self.model.of_ngrams(tokens, lengths, kept)
            return logits + self._shift, self.model.zeros(len(tokens))
        # The teachers' logits used the evidence of these very rows, so the student's must too.
        own = None if self._taught else torch.from_numpy(self._labels[chosen]).to(self._device)
        logits, after = self.model.piece(tokens, lengths, before, own, kept)
        return logits + self._shift, after

    def _kept(self, tokens: Tensor) -> Tensor | None:
        """Draws what each n-gram's vector is multiplied by, [batch, time, tables]; None: 1."""
        config = self.model.config
        if not (rate := config.ngram_dropout) or not config.vector_tables:
            return None
        drawn = torch.rand((*tokens.shape, config.vector_tables), device=self._device)
        return (drawn >= rate).float() / (1 - rate)

    def _targets(self, chosen: NDArray[np.int64]) -> Tensor:
        """Returns the labels of rows [rows], or their soft targets [rows, labels]."""
        if self._taught is None:
            return torch.from_numpy(self._labels[chosen]).to(self._device)
        wanted = self._taught.probabilities[self._taught.order[chosen]]
        return torch.from_numpy(wanted).to(self._device).float()

    def _keep(self, after: State, count: int) -> None:
        """Keeps the state of the rows of the share, among `count` rows of the batch."""
        self._state = tuple(each.detach().float() for each in after)
        if self.share != WHOLE:
            own, self._state = self._state, self.model.zeros(count)
            for whole, part in zip(self._state, own, strict=True):
                whole[self.share.rows] = part

    def _carried(
        self, chosen: NDArray[np.int64], goes_on: NDArray[np.bool_], begin: int
    ) -> State | None:
        """Returns the state of the rows of a batch that go on at `begin`, or None at its start."""
        before, self._state = self._state, None
        if begin == 0 or before is None:
            return None
        kept = goes_on[self._reader.lengths[chosen] > begin - WINDOW]
        return tuple(each[torch.from_numpy(kept).to(each.device)] for each in before)

    def around_step(self) -> AbstractContextManager[None]:
        """Does nothing."""
        return nullcontext()

    def validate(self, model: nn.Module) -> dict[str, Any]:
        """Computes loss and accuracy on the held-out rows; of many, on a fixed sample."""
        assert isinstance(model, RecurrentClassifier)
        if not len(self._held_out):
            return {}
        logits, labels = held_out_logits(model, self._alphabet, self._held_out)
        return {
            "val_loss": float(cross_entropy(logits, labels)),
            "val_accuracy": float((logits.argmax(-1) == labels).float().mean()),
        }

    def follow(self, phase: int | None, carried: Sequence[Tensor]) -> None:
        """Takes over the phase, and the state of the rows that go on."""
        self._begun = phase
        self._state = tuple(carried) or None

    def state(self) -> dict[str, Any]:
        """Returns the phase, and the carried state if the batch goes on: seed and step determine
        the rest."""
        phase = {"last_phase": self._begun} if self._ngrams_alone else {}
        return phase if self._state is None else {**phase, "carried": list(self._state)}

    def restore(self, state: dict[str, Any]) -> None:
        """See `Objective`. Without a carried state, a batch goes on from the zero state."""
        self._begun = state.get("last_phase", 0)  # older versions had no other phase
        carried = state.get("carried")
        self._state = tuple(each.to(self._device) for each in carried) if carried else None
