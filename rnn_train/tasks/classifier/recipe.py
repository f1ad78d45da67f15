"""Defaults of the classifier: size, regularisation and duration, from the data."""

import math
from dataclasses import replace

from rnn_train.models.classifier import ClassifierConfig
from rnn_train.training.config import TrainingConfig

CHARACTER_DROPOUT = 0.05
"""Share of a text's characters read as unknown in training."""
BALANCE = 0.2
"""How far rare labels are favoured: a fifth of the way costs frequent ones next to nothing."""
STUDENT_EPOCHS = 1.5
"""Times the epochs of a network that learns from labels: what an ensemble teaches is harder to
learn by heart."""
_EVIDENCE_LABELS = 50
"""Up to this many labels an n-gram's evidence for each is worth its room."""


def classifier_model(vocabulary: int, labels: int) -> ClassifierConfig:
    """A narrow plain layer that is given n-grams: better than a wide gated one that must find them,
    and faster. Measured on surnames, see `benchmarks/`."""
    return ClassifierConfig(
        vocabulary=vocabulary,
        labels=labels,
        cell="elman",
        embedding=64,
        hidden=128,
        dropout=0.4,
        ngrams=3,
        evidence=4 if labels <= _EVIDENCE_LABELS else 1,
    )


def student_model(teacher: ClassifierConfig) -> ClassifierConfig:
    """What an ensemble teaches: half as wide is enough, and less dropout."""
    return replace(
        teacher,
        embedding=max(1, teacher.embedding // 2),
        hidden=max(1, teacher.hidden // 2),
        dropout=min(teacher.dropout, 0.2),
    )


def classifier_training(rows: int, seed: int) -> TrainingConfig:
    """Batch and rate: a small table needs small batches, or it is over in too few steps."""
    batch = min(256, max(16, 2 ** round(math.log2(rows / 75))))
    return TrainingConfig(
        batch=batch, learning_rate=3e-3 * (batch / 256) ** 0.5, weight_decay=0.05, seed=seed
    )


def classifier_epochs(rows: int) -> float:
    """How long to train where nobody said: a large table need not be seen as often."""
    return float(min(20, max(3, round(400_000 / rows))))
