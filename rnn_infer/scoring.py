"""Scores: how well a model predicts a text, and which characters it expects next."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnn_infer.errors import OptionError
from rnn_infer.runtime.reading import chunk_length
from rnn_infer.runtime.stepper import Stepper
from rnn_infer.text.documents import cut
from rnn_infer.text.ragged import Ragged

_BATCH = 64
"""Texts per call of `score_all`."""


@dataclass(frozen=True)
class Score:
    """How well a model predicts a text that it reads once, from start to end."""

    nats_per_char: float
    """Mean cross-entropy: nats per scored character."""
    characters: int
    """Scored characters: all but the first, which has no prediction before it."""

    @property
    def bits_per_char(self) -> float:
        """Mean cross-entropy in bits per scored character."""
        return self.nats_per_char / math.log(2)

    @property
    def perplexity(self) -> float:
        """The perplexity: exp(nats per character). A choice among so many equally likely characters
        is as hard."""
        return math.exp(self.nats_per_char) if self.nats_per_char < 700 else math.inf


@dataclass(frozen=True)
class NextChar:
    """A character that may come next."""

    char: str
    """The character."""
    probability: float
    """Its probability at temperature 1, from 0 to 1."""


def score(stepper: Stepper, tokens: NDArray[np.int64]) -> Score:
    """Score one text from the zero state.

    Args:
        stepper: the open model.
        tokens: [time], time ≥ 2.

    Raises:
        OptionError: the text has fewer than two characters.
        ModelFileError: the model returns NaN.
    """
    if len(tokens) < 2:
        raise OptionError("a text to score needs at least two characters; give a longer one")
    nats = sequence_loss(stepper, tokens[None])
    if math.isnan(nats):
        raise stepper.file.not_finite()
    return Score(nats, len(tokens) - 1)


def score_documents(stepper: Stepper, texts: Ragged, mark: int) -> list[Score]:
    """Score many texts of documents, each document from the zero state, after a mark.

    All characters are scored but a mark at the start of a text.

    Args:
        stepper: the open model.
        texts: token sequences of any lengths.
        mark: the token between documents.

    Raises:
        OptionError: a text has no character to score.
        ModelFileError: the model returns NaN.
    """
    documents, owners = cut(texts, mark)
    counts = np.bincount(owners, documents.lengths - 1, len(texts.lengths)).astype(np.int64)
    if not counts.all():
        raise OptionError(
            f"text {int(counts.argmin())} has no character to score; give a longer one, or remove "
            "it"
        )
    found = [each.nats_per_char for each in score_all(stepper, documents)]
    nats = np.bincount(owners, np.multiply(found, documents.lengths - 1), len(texts.lengths))
    return list(map(Score, (nats / counts).tolist(), counts.tolist()))


def score_all(stepper: Stepper, texts: Ragged) -> list[Score]:
    """Score many texts, each from the zero state, in batches of similar length.

    Args:
        stepper: the open model.
        texts: token sequences of any lengths.

    Raises:
        OptionError: a text has fewer than two characters.
        ModelFileError: the model returns NaN.
    """
    if (texts.lengths < 2).any():
        raise OptionError(
            f"text {int((texts.lengths < 2).argmax())} has fewer than two characters; give a "
            "longer one, or remove it"
        )
    nats = np.empty(len(texts.lengths))
    # Sorted by length, so that a batch needs little padding.
    order = np.argsort(-texts.lengths, kind="stable")
    for begin in range(0, len(order), _BATCH):
        rows = order[begin : begin + _BATCH]
        nats[rows] = _row_losses(stepper, texts, rows)
    if np.isnan(nats).any():
        raise stepper.file.not_finite()
    counts = texts.lengths - 1
    return list(map(Score, (nats / counts).tolist(), counts.tolist()))


def _row_losses(stepper: Stepper, texts: Ragged, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the sum of the cross-entropy of each row. The longest row is the first.

    Shorter rows are padded at the end, and leave the batch at the next call.
    """
    counts = texts.lengths[rows] - 1
    totals = np.zeros(len(rows))
    state = stepper.zeros(len(rows))
    size = chunk_length(stepper, len(rows))
    for begin in range(0, int(counts[0]), size):
        going = int(np.count_nonzero(counts > begin))
        width = min(size, int(counts[0]) - begin)
        window = texts.window(rows[:going], begin, width + 1)
        logits, state = stepper.forward(window[:, :-1], tuple(each[:going] for each in state))
        losses = _losses(logits, window[:, 1:]).astype(np.float64)
        scored = np.arange(begin, begin + width) < counts[:going, None]
        totals[:going] += np.where(scored, losses, 0).sum(-1)
    return totals


def most_likely(
    vocabulary: Sequence[str], probabilities: NDArray[np.float32], top: int
) -> list[NextChar]:
    """Return the `top` most likely characters, the most likely first.

    Args:
        vocabulary: the characters, [n].
        probabilities: the probability of each, [n].
        top: the number of characters to return.
    """
    best = np.argsort(-probabilities, kind="stable")[:top]
    return [NextChar(vocabulary[i], float(probabilities[i])) for i in best]


def sequence_loss(stepper: Stepper, tokens: NDArray[np.int64]) -> float:
    """Return the mean cross-entropy of sequences, each read once from the zero state.

    Args:
        stepper: the open model.
        tokens: [batch, time], time ≥ 2. The first token of each row is not scored.

    Returns:
        Nats per scored token. NaN if a logit is NaN.
    """
    batch, length = len(tokens), int(tokens.shape[1]) - 1
    state = stepper.zeros(batch)
    size = chunk_length(stepper, batch)
    total = 0.0
    for begin in range(0, length, size):
        end = min(begin + size, length)
        logits, state = stepper.forward(tokens[:, begin:end], state)
        losses = _losses(logits, tokens[:, begin + 1 : end + 1])
        total += float(losses.sum(dtype=np.float64))
    return total / (batch * length)


def _losses(logits: NDArray[np.float32], targets: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the cross-entropy of each target. `logits` [batch, time, n] is overwritten.

    Args:
        logits: [batch, time, n].
        targets: [batch, time].

    Returns:
        Nats [batch, time]. NaN where a logit is NaN.
    """
    with np.errstate(invalid="ignore"):
        logits -= logits.max(-1, keepdims=True)
        picked = np.take_along_axis(logits, targets[..., None], -1)[..., 0]
        normalizer = np.log(np.exp(logits, out=logits).sum(-1))
        losses: NDArray[np.float32] = normalizer - picked
    return losses
