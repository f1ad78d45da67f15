"""The objective of the classifier: predict the label after the last character."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from rnn_train.data.alphabet import Alphabet, label_indices, pad
from rnn_train.data.rows import Rows
from rnn_train.evaluation.classification import held_out_logits
from rnn_train.models.classifier import RecurrentClassifier

BFLOAT16_WIDTH = 256
"""Narrower layers are not faster in bfloat16: conversion costs more (`benchmarks/cells.py`)."""
_BUCKET = 50
"""Batches whose rows are sorted by length together: little padding, and still well shuffled."""


def count_evidence(model: RecurrentClassifier, alphabet: Alphabet, rows: Rows) -> None:
    """Counts the n-grams of training rows, if the model reads naive-Bayes weight of evidence
    (log-count ratios)."""
    if model.config.evidence > 1:
        tokens, lengths = pad(alphabet.encode(rows.texts), torch.device("cpu"))
        model.count(tokens, lengths, torch.from_numpy(label_indices(rows, alphabet)))


class ClassifierObjective:
    """Cross-entropy after the last character, against the labels or against soft targets."""

    unit = "texts"

    def __init__(
        self,
        model: RecurrentClassifier,
        alphabet: Alphabet,
        train: Rows,
        held_out: Rows,
        batch: int,
        character_dropout: float,
        seed: int,
        device: torch.device,
        balance: float = 0.0,
        soft_targets: NDArray[np.float32] | None = None,
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
            soft_targets: probabilities [rows, labels] to learn in place of the labels of `train`.
        """
        self.model = model
        self._tokens = alphabet.encode(train.texts)
        self._lengths = np.array([len(tokens) for tokens in self._tokens])
        self._labels = label_indices(train, alphabet)
        self._targets = self._labels if soft_targets is None else soft_targets
        self._held_out = held_out
        self._alphabet = alphabet
        self._batch = batch
        self._dropout = character_dropout
        self._shift = balance * torch.tensor(alphabet.log_prior(train), device=device)
        self._seed = seed
        self._device = device
        self._epoch = -1
        self._batches: list[NDArray[np.int64]] = []

    @property
    def bfloat16(self) -> bool:
        """Only wide layers are faster in it. The accuracy on surnames is the same."""
        return self.model.config.hidden >= BFLOAT16_WIDTH

    @property
    def batches(self) -> int:
        """Number of batches in an epoch."""
        return -(-len(self._tokens) // self._batch)

    @property
    def gates(self) -> Sequence[nn.Parameter]:
        """None: a user's own cell may have parameters of any kind."""
        return ()

    def loss(self, step: int) -> tuple[Tensor, int]:
        """Computes the mean loss of batch `step`, in nats, and counts its texts."""
        epoch, place = divmod(step, self.batches)
        if epoch != self._epoch:
            self._epoch, self._batches = epoch, self._shuffled(epoch)
        chosen = self._batches[place]
        tokens, lengths = pad([self._tokens[i] for i in chosen], self._device)
        if self._dropout:
            dropped = torch.rand(tokens.shape, device=self._device) < self._dropout
            tokens = torch.where(dropped, self._alphabet.unknown, tokens)
        # The teachers' logits used the evidence of these very rows, so the student's must too.
        distilled = self._targets is not self._labels
        own = None if distilled else torch.from_numpy(self._labels[chosen]).to(self._device)
        logits = self.model.last(tokens, lengths, own) + self._shift
        targets = torch.from_numpy(self._targets[chosen]).to(self._device)
        return cross_entropy(logits, targets), len(chosen)

    def _shuffled(self, epoch: int) -> list[NDArray[np.int64]]:
        """Row indices of each batch of one epoch: shuffled, then sorted by length in buckets."""
        random = np.random.default_rng((self._seed, epoch))
        order = random.permutation(len(self._tokens))
        size = self._batch * _BUCKET
        for begin in range(0, len(order), size):
            bucket = order[begin : begin + size]
            order[begin : begin + size] = bucket[np.argsort(self._lengths[bucket], kind="stable")]
        batches = [order[i : i + self._batch] for i in range(0, len(order), self._batch)]
        return [batches[i] for i in random.permutation(len(batches))]

    def around_step(self) -> AbstractContextManager[None]:
        """Does nothing."""
        return nullcontext()

    def validate(self, model: nn.Module) -> dict[str, Any]:
        """Computes loss and accuracy on the held-out rows."""
        assert isinstance(model, RecurrentClassifier)
        if not len(self._held_out):
            return {}
        logits, labels = held_out_logits(model, self._alphabet, self._held_out)
        return {
            "val_loss": float(cross_entropy(logits, labels)),
            "val_accuracy": float((logits.argmax(-1) == labels).float().mean()),
        }

    def state(self) -> dict[str, Any]:
        """Returns no state: seed and step determine a batch."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Does nothing."""
