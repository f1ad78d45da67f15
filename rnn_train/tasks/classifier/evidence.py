"""Counting of the training rows' n-grams: which are frequent, and the weight of evidence."""

from collections.abc import Iterator
from itertools import chain

import numpy as np
import torch

from rnn_train.data.alphabet import Alphabet, label_indices
from rnn_train.data.encoded_rows import AnyRows, EncodedRows
from rnn_train.data.row_reader import RowReader
from rnn_train.models.classifier import RecurrentClassifier
from rnn_train.models.ngrams import Counted

RARE_LABELS = 0.5
"""How far rare labels are favoured in the choice of n-grams: the count of a text falls with this
power of the frequency of its label. Else n-grams that only a rare label has would get no vector."""
_MOST_CHARACTERS = 1 << 25
"""Characters of which the frequent n-grams are chosen, about."""
_COUNTED = 1 << 16
"""Codes that are counted at once."""


def count_evidence(model: RecurrentClassifier, alphabet: Alphabet, *parts: AnyRows) -> None:
    """Counts the n-grams of the training rows in all parts, if the model reads naive-Bayes weight
    of evidence (log-count ratios)."""
    if (context := model.config.evidence - 1) > 0:
        each = (_counted(alphabet, EncodedRows.of(rows), context) for rows in parts)
        model.count(chain.from_iterable(each))


def choose_ngrams(model: RecurrentClassifier, alphabet: Alphabet, rows: AnyRows) -> None:
    """Gives the most frequent n-grams of training rows a vector each, if the model has vectors for
    these alone. Of very many characters, those of a random part of the rows are counted."""
    if model.config.own_vectors:
        context = max(model.config.ngrams, model.config.prefix) - 1
        rows = EncodedRows.of(rows)
        if (share := _MOST_CHARACTERS / max(1, int(rows.lengths.sum()))) < 1:
            drawn = np.random.default_rng(0).random(len(rows)) < share
            rows = rows.take(np.flatnonzero(drawn))
        weights = torch.tensor(alphabet.log_prior(rows), dtype=torch.float64)
        weights = torch.exp(-RARE_LABELS * weights)
        model.choose_ngrams(_counted(alphabet, rows, context), weights)


def _counted(alphabet: Alphabet, rows: EncodedRows, context: int) -> Iterator[Counted]:
    """Yields batches of rows. Long rows come in pieces, each after `context` codes of the one
    before."""
    reader, labels = RowReader(rows, alphabet), label_indices(rows, alphabet)
    order = np.argsort(reader.lengths, kind="stable")
    end = len(order)
    while end:
        longest = int(reader.lengths[order[end - 1]])
        size = max(1, _COUNTED // longest)
        chosen = order[max(0, end - size) : end]
        end -= len(chosen)
        for begin in range(0, longest, _COUNTED):
            skip = min(begin, context)
            codes, lengths = reader.read(chosen, begin - skip, _COUNTED + skip)
            given = torch.from_numpy(labels[chosen])
            yield Counted(codes, lengths, given, skip)
