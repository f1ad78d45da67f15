"""Scores: how well a model predicts a text, and which characters it expects next."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnn_infer.errors import OptionError
from rnn_infer.runtime.stepper import Stepper
from rnn_infer.runtime.streams import chunk_length


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
        with np.errstate(invalid="ignore"):
            logits -= logits.max(-1, keepdims=True)
            targets = tokens[:, begin + 1 : end + 1, None]
            picked = np.take_along_axis(logits, targets, -1)[..., 0]
            normalizer = np.log(np.exp(logits, out=logits).sum(-1))
        total += float((normalizer - picked).sum(dtype=np.float64))
    return total / (batch * length)
