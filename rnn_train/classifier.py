"""The classifier's side of training: rows in, loss out, and how good it is."""

from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from rnn_train.corpus import UNKNOWN
from rnn_train.labelled import Rows, normal
from rnn_train.models import RecurrentClassifier

BEGIN, END = "\x02", "\x03"
"""Marks around each text: Unicode's own "start of text" and "end of text"."""
BFLOAT16_WIDTH = 256
"""Of layers from which on converting numbers costs less than it gains (`benchmarks/cells.py`)."""
_BUCKET = 50
"""Batches sorted by length together: little padding, and still well shuffled."""


@dataclass(frozen=True)
class Alphabet:
    """Tokens and labels of a classifier."""

    vocabulary: tuple[str, ...]
    labels: tuple[str, ...]

    @classmethod
    def of(cls, rows: Rows) -> "Alphabet":
        """All characters and labels of training rows, and the marks."""
        characters = set("".join(map(normal, rows.texts))) | {BEGIN, END, UNKNOWN}
        return cls(tuple(sorted(characters)), tuple(sorted(set(rows.labels))))

    @property
    def unknown(self) -> int:
        """Token of a character that the training rows lack."""
        return self.vocabulary.index(UNKNOWN)

    def encode(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """Tokens of each text, between the marks."""
        table = {char: token for token, char in enumerate(self.vocabulary)}
        unknown = self.unknown
        return [
            np.array([table.get(char, unknown) for char in BEGIN + normal(text) + END])
            for text in texts
        ]

    def log_prior(self, rows: Rows) -> tuple[float, ...]:
        """Log of each label's share of `rows`."""
        counts = Counter(rows.labels)
        return tuple(float(np.log(counts[label] / len(rows))) for label in self.labels)


def count_evidence(model: RecurrentClassifier, alphabet: Alphabet, rows: Rows) -> None:
    """Takes a model's evidence of n-grams, if it has any, from training rows."""
    if model.config.evidence > 1:
        tokens, lengths = pad(alphabet.encode(rows.texts), torch.device("cpu"))
        model.count(tokens, lengths, torch.from_numpy(label_indices(rows, alphabet)))


class ClassifierTask:
    """Cross-entropy of the label, or of a teacher's belief, after the last character."""

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
        targets: NDArray[np.float32] | None = None,
    ) -> None:
        """As it will be trained.

        Args:
            balance: 0: answers take labels to be as frequent as in `train`; 1: equally frequent.
                By logit adjustment in the loss (Menon et al., 2021).
            targets: probabilities [rows, labels] to learn in place of the labels of `train`.
        """
        self.model = model
        self._tokens = alphabet.encode(train.texts)
        self._lengths = np.array([len(tokens) for tokens in self._tokens])
        self._labels = label_indices(train, alphabet)
        self._targets = self._labels if targets is None else targets
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
        """Where layers are wide enough to gain by it: as good, on surnames, and faster."""
        return self.model.config.hidden >= BFLOAT16_WIDTH

    @property
    def batches(self) -> int:
        """Batches an epoch."""
        return -(-len(self._tokens) // self._batch)

    @property
    def gates(self) -> Sequence[nn.Parameter]:
        """None: a cell of one's own may hold anything."""
        return ()

    def loss(self, step: int) -> tuple[Tensor, int]:
        """Mean nats a text of batch `step`, and its texts."""
        epoch, place = divmod(step, self.batches)
        if epoch != self._epoch:
            self._epoch, self._batches = epoch, self._shuffled(epoch)
        chosen = self._batches[place]
        tokens, lengths = pad([self._tokens[i] for i in chosen], self._device)
        if self._dropout:
            dropped = torch.rand(tokens.shape, device=self._device) < self._dropout
            tokens = torch.where(dropped, self._alphabet.unknown, tokens)
        # Teachers answer with these rows' evidence before them, and so must the pupil.
        taught = self._targets is not self._labels
        own = None if taught else torch.from_numpy(self._labels[chosen]).to(self._device)
        logits = self.model.last(tokens, lengths, own) + self._shift
        targets = torch.from_numpy(self._targets[chosen]).to(self._device)
        return cross_entropy(logits, targets), len(chosen)

    def _shuffled(self, epoch: int) -> list[NDArray[np.int64]]:
        """Batches of one epoch: shuffled, sorted by length in buckets, shuffled again."""
        random = np.random.default_rng((self._seed, epoch))
        order = random.permutation(len(self._tokens))
        size = self._batch * _BUCKET
        for begin in range(0, len(order), size):
            bucket = order[begin : begin + size]
            order[begin : begin + size] = bucket[np.argsort(self._lengths[bucket], kind="stable")]
        batches = [order[i : i + self._batch] for i in range(0, len(order), self._batch)]
        return [batches[i] for i in random.permutation(len(batches))]

    def around_step(self) -> AbstractContextManager[None]:
        """Nothing."""
        return nullcontext()

    def validate(self, model: nn.Module) -> dict[str, Any]:
        """Loss and accuracy on the held-out rows."""
        assert isinstance(model, RecurrentClassifier)
        if not len(self._held_out):
            return {}
        logits, labels = held_out_logits(model, self._alphabet, self._held_out)
        return {
            "val_loss": float(cross_entropy(logits, labels)),
            "val_accuracy": float((logits.argmax(-1) == labels).float().mean()),
        }

    def state(self) -> dict[str, Any]:
        """Nothing: batches follow from the seed and the step."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Nothing."""


def pad(texts: Sequence[NDArray[np.int64]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Tokens [batch, longest], zeros after each end, and lengths [batch]."""
    lengths = [len(tokens) for tokens in texts]
    padded = np.zeros((len(texts), max(lengths)), np.int64)
    for row, tokens in zip(padded, texts, strict=True):
        row[: len(tokens)] = tokens
    return torch.from_numpy(padded).to(device), torch.tensor(lengths, device=device)


@torch.inference_mode()
def logits_of(model: RecurrentClassifier, alphabet: Alphabet, texts: Sequence[str]) -> Tensor:
    """Logits [texts, labels], on the CPU."""
    device = model.readout.weight.device
    tokens = alphabet.encode(texts)
    order = np.argsort([len(each) for each in tokens], kind="stable")
    logits = torch.empty(len(texts), len(alphabet.labels))
    for begin in range(0, len(order), 512):
        chosen = order[begin : begin + 512]
        padded, lengths = pad([tokens[i] for i in chosen], device)
        logits[torch.from_numpy(chosen)] = model.last(padded, lengths).cpu()
    return logits


def held_out_logits(
    model: RecurrentClassifier, alphabet: Alphabet, rows: Rows
) -> tuple[Tensor, Tensor]:
    """Logits [rows, labels] and label indices [rows], on the CPU. Labels never trained on are
    refused by the caller."""
    return logits_of(model, alphabet, rows.texts), torch.from_numpy(label_indices(rows, alphabet))


def label_indices(rows: Rows, alphabet: Alphabet) -> NDArray[np.int64]:
    """Index in `alphabet.labels` of each row's label, [rows]."""
    index = {label: i for i, label in enumerate(alphabet.labels)}
    return np.array([index[label] for label in rows.labels], np.int64)
