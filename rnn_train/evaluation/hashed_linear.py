"""A linear model of hashed n-grams, for tables with many rows or labels, within a time budget."""

import time
import unicodedata
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rnn_train.data.alphabet import Alphabet, label_indices
from rnn_train.data.encoded_rows import AnyRows, EncodedRows
from rnn_train.data.row_reader import RowReader

_BUCKETS = 1 << 16
"""Entries of the table of n-grams."""
_CELLS = 1 << 26
"""Weights at most: 256 MB. With more than a thousand labels, the table has fewer entries."""
_CHANGED = 1 << 22
"""Weights that are changed at once: memory does not grow with the texts of a step."""
_SECONDS, _SHARE = 30.0, 0.05
"""Seconds of a fit at most, and its share of the minutes."""
_LONGEST, _LONGEST_OF_WORDS = 4, 2
_BATCH, _READ = 64, 1024
"""Texts of a step, and texts that are scored at once."""
_TOKENS, _TOKENS_OF_WORDS = 1000, 4000
"""Only so many tokens of each text are read, for n-grams of letters and for those of words."""
_EPOCHS = 3
_SHORT = 60
"""Median length of a text in characters, up to which n-grams are of letters."""
_FACTOR, _RATE = 0x9E3779B1, 16.0
_PLACES = 0x85EBCA6B
"""Tells the letters of a word apart by their places."""
Features = tuple[Tensor, Tensor, Tensor]
"""Table entries of all n-grams of a batch, the first place of each text, and their weights."""


def seconds_for(minutes: float | None) -> float:
    """Returns the seconds of a fit beside a run.

    Args:
        minutes: of the run; None: it has no limit in minutes.
    """
    return _SECONDS if minutes is None else min(_SECONDS, _SHARE * 60 * minutes)


class HashedLinear:
    """Softmax regression on hashed letter 1-4-grams (Joulin et al., 2017, "Bag of tricks for
    efficient text classification"), trained by gradient descent until its time is over."""

    def __init__(self, alphabet: Alphabet, seed: int, words: bool = False) -> None:
        """Starts with zero weights.

        Args:
            alphabet: characters and labels.
            seed: of the order of the rows.
            words: n-grams are of words, which long texts have enough of, and not of letters.
        """
        unit, longest = ("word", _LONGEST_OF_WORDS) if words else ("letter", _LONGEST)
        self.name = f"hashed linear, {unit} 1–{longest}-grams"
        self._kinds = _kinds(alphabet.vocabulary) if words else None
        self.trained = 0
        """Number of rows that it was trained on, with repeats."""
        self._alphabet, self._seed = alphabet, seed
        fitting = 1 << (max(1, _CELLS // len(alphabet.labels)).bit_length() - 1)
        self._buckets = min(_BUCKETS, fitting)
        if self._buckets < _BUCKETS:
            self.name += f" in {self._buckets:,} entries"
        self._weights = torch.zeros(self._buckets, len(alphabet.labels))

    @classmethod
    def suited(cls, rows: EncodedRows, alphabet: Alphabet, seed: int) -> "HashedLinear":
        """Starts a model whose n-grams suit the length of the rows: of letters, or of words if half
        of the texts are long. See `__init__`."""
        return cls(alphabet, seed, words=float(np.median(rows.lengths)) > _SHORT)

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return self._weights.numel()

    @property
    def title(self) -> str:
        """Name, with what it has read, for a table of models."""
        return f"{self.name} ({self.trained:,} rows read)"

    def fit(self, rows: AnyRows, seconds: float, epochs: int = _EPOCHS) -> "HashedLinear":
        """Trains on rows in random order, for some seconds.

        Args:
            rows: training rows.
            seconds: wall-clock time.
            epochs: times that each row is read, at most.
        """
        begun = time.monotonic()
        encoded = EncodedRows.of(rows)
        reader, labels = RowReader(encoded, self._alphabet), label_indices(encoded, self._alphabet)
        random, steps = np.random.default_rng(self._seed), 0
        planned = epochs * -(-len(encoded) // _BATCH)
        for _ in range(epochs):
            order = random.permutation(len(encoded))
            for begin in range(0, len(order), _BATCH):
                progress = max(steps / planned, (time.monotonic() - begun) / max(seconds, 1e-9))
                if progress >= 1:
                    return self
                chosen = order[begin : begin + _BATCH]
                self._step(self._features(reader, chosen), labels[chosen], _RATE * (1 - progress))
                steps += 1
                self.trained += len(chosen)
        return self

    @torch.inference_mode()
    def _step(self, features: Features, labels: NDArray[np.int64], rate: float) -> None:
        """Takes one step of gradient descent. It touches only the entries of these n-grams."""
        entries, begins, weights = features
        errors = torch.softmax(self._scores(features), -1)
        errors[torch.arange(len(labels)), torch.from_numpy(labels)] -= 1
        counts = torch.diff(begins, append=torch.tensor([len(entries)]))
        owners = torch.arange(len(labels)).repeat_interleave(counts)
        size = max(1, _CHANGED // errors.shape[1])
        for each in zip(*(torch.split(t, size) for t in (entries, owners, weights)), strict=True):
            entry, owner, weight = each
            change = errors[owner] * weight[:, None]
            self._weights.index_add_(0, entry, change, alpha=-rate / len(labels))

    def _scores(self, features: Features) -> Tensor:
        entries, begins, weights = features
        return nn.functional.embedding_bag(
            entries, self._weights, begins, mode="sum", per_sample_weights=weights
        )

    @torch.inference_mode()
    def scores(self, rows: AnyRows) -> Tensor:
        """Scores texts.

        Args:
            rows: the texts; their labels are not used.

        Returns:
            Logits [texts, labels].
        """
        found = torch.empty(len(rows), len(self._alphabet.labels))
        for chosen, scores in self._read(rows):
            found[chosen] = scores
        return found

    @torch.inference_mode()
    def predictions(self, rows: AnyRows) -> Tensor:
        """Returns the label with the largest score of each text, [texts]. The scores are in memory
        a block at a time."""
        found = torch.empty(len(rows), dtype=torch.long)
        for chosen, scores in self._read(rows):
            found[chosen] = scores.argmax(-1)
        return found

    def _read(self, rows: AnyRows) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields the places of some texts, of about the same length, and their scores."""
        reader = RowReader(EncodedRows.of(rows), self._alphabet)
        order = np.argsort(reader.lengths, kind="stable")
        for begin in range(0, len(order), _READ):
            chosen = order[begin : begin + _READ]
            yield torch.from_numpy(chosen), self._scores(self._features(reader, chosen))

    def _features(self, reader: RowReader, chosen: NDArray[np.integer]) -> Features:
        """Hashes the n-grams of texts. The features of a text have norm 1 if no n-gram repeats."""
        if self._kinds is None:
            hashed, counts = _hashed(reader, chosen)
        else:
            hashed, counts = _hashed_words(reader, chosen, self._kinds)
        weights = np.repeat(np.maximum(counts, 1) ** -0.5, counts).astype(np.float32)
        entries = torch.from_numpy((hashed % self._buckets).astype(np.int64))
        begins = torch.from_numpy(np.cumsum(counts) - counts)
        return entries, begins, torch.from_numpy(weights)


def _hashed(
    reader: RowReader, chosen: NDArray[np.integer]
) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Returns the hash of each n-gram of texts, and the number of n-grams of each text [texts]."""
    tokens, lengths = (each.numpy() for each in reader.read(chosen, 0, _TOKENS))
    time_steps = tokens.shape[1]
    hashed = np.zeros((len(tokens), _LONGEST, time_steps), np.uint32)
    valid = np.zeros(hashed.shape, bool)
    row = np.zeros(tokens.shape, np.uint32)
    for n in range(1, min(_LONGEST, time_steps) + 1):
        before = np.zeros_like(row)
        before[:, 1:] = row[:, :-1]
        row = (before + tokens.astype(np.uint32) + np.uint32(n)) * np.uint32(_FACTOR)
        row ^= row >> np.uint32(15)
        hashed[:, n - 1] = row
        place = np.arange(time_steps)
        valid[:, n - 1] = (place >= n - 1) & (place < lengths[:, None])
    counts = valid.sum((1, 2))
    return hashed[valid], counts


def _kinds(vocabulary: Sequence[str]) -> NDArray[np.int8]:
    """Returns for each token whether it stands between words (0), is a letter of a word (1), or is
    a word of its own, as an ideograph is (2)."""
    return np.array(
        [
            2 * (unicodedata.east_asian_width(char) in "WF") or 1 if char.isalnum() else 0
            for char in vocabulary
        ],
        np.int8,
    )


def _hashed_words(
    reader: RowReader, chosen: NDArray[np.integer], kinds: NDArray[np.int8]
) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Returns the hash of each word and of each pair of words, and their number, as `_hashed`."""
    tokens, lengths = (each.numpy() for each in reader.read(chosen, 0, _TOKENS_OF_WORDS))
    inside = np.arange(tokens.shape[1]) < lengths[:, None]
    kind = np.where(inside, kinds[tokens], 0)
    before = np.zeros_like(kind)
    before[:, 1:] = kind[:, :-1]
    begins = (kind == 2) | ((kind == 1) & (before != 1))
    part = kind > 0
    first = np.flatnonzero(begins[part])  # of each word, among the characters of all words
    if not len(first):
        return np.zeros(0, np.uint32), np.zeros(len(tokens), np.int64)
    sizes = np.diff(first, append=int(part.sum()))
    place = np.arange(int(part.sum())) - np.repeat(first, sizes)
    letters = _mixed(tokens[part].astype(np.uint32) * np.uint32(_PLACES) + place.astype(np.uint32))
    word = _mixed(np.add.reduceat(letters, first, dtype=np.uint32))
    row = np.nonzero(begins)[0]
    pair = _mixed(word[:-1] * np.uint32(3) + word[1:])[row[:-1] == row[1:]]
    rows = np.concatenate([row, row[:-1][row[:-1] == row[1:]]])
    order = np.argsort(rows, kind="stable")
    return np.concatenate([word, pair])[order], np.bincount(rows, minlength=len(tokens))


def _mixed(values: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Mixes the bits of numbers."""
    mixed = values * np.uint32(_FACTOR)
    mixed ^= mixed >> np.uint32(15)
    return mixed * np.uint32(_FACTOR)
