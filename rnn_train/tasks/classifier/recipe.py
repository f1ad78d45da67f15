"""Defaults of the classifier: size, regularisation and duration, from the data."""

import math
from dataclasses import replace

from rnn_train.models.classifier import ClassifierConfig
from rnn_train.training.config import TrainingConfig

CHARACTER_DROPOUT = 0.05
"""Share of a text's characters that training reads as unknown."""
BALANCE = 0.2
"""How far rare labels are favoured. At 0.2, frequent labels lose almost nothing."""
FINE_TUNING = 0.25
"""Factor of the learning rate for a warm start (--init-from)."""
STUDENT_EPOCHS = 1.5
"""Epochs of a student, as a multiple of its teachers': soft targets overfit later."""
_EVIDENCE_LABELS = 50
"""Up to this many labels, the n-grams' naive-Bayes weight of evidence is worth its space."""


def classifier_model(vocabulary: int, labels: int) -> ClassifierConfig:
    """Chooses the model: a narrow Elman layer that reads n-grams.

    It is better and faster than a wide gated layer that must learn n-grams. Measured on surnames,
    see `benchmarks/`.

    Args:
        vocabulary: number of distinct characters.
        labels: number of labels.
    """
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
    """Chooses the student of an ensemble: half as wide is enough, with less dropout."""
    return replace(
        teacher,
        embedding=max(1, teacher.embedding // 2),
        hidden=max(1, teacher.hidden // 2),
        dropout=min(teacher.dropout, 0.2),
    )


def classifier_training(rows: int, seed: int, fine_tuning: bool = False) -> TrainingConfig:
    """Chooses batch and learning rate. A small table needs small batches to get enough steps.

    Args:
        rows: number of training rows.
        seed: of the run.
        fine_tuning: training starts from trained weights.
    """
    share = FINE_TUNING if fine_tuning else 1.0
    batch = min(256, max(16, 2 ** round(math.log2(rows / 75))))
    return TrainingConfig(
        batch=batch, learning_rate=share * 3e-3 * (batch / 256) ** 0.5, weight_decay=0.05, seed=seed
    )


def classifier_epochs(rows: int) -> float:
    """Chooses the epochs if the request gives no budget. A large table needs fewer."""
    return float(min(20, max(3, round(400_000 / rows))))
