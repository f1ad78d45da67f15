"""Defaults of the classifier: size, regularisation and duration, from the data."""

import math
from dataclasses import replace

from rnn_train.models.classifier import ClassifierConfig
from rnn_train.models.ngrams import MAX_NGRAM_ROWS
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
MANY_ROWS = 100_000
"""From so many rows on, vectors of long n-grams are learnt well enough to decide by themselves."""
_VERY_MANY_ROWS = 500_000
"""From so many rows on, a network of this size does not learn them by heart."""
_ENOUGH_READINGS = 3.0
"""Times that the minutes allow to read each row, from which a wider layer is worth its time."""
_ROWS_A_SECOND = 5_000
"""Rows that training reads a second, on two cores: a guess, of which the choice depends weakly."""


def classifier_model(
    vocabulary: int, labels: int, rows: int, minutes: float | None = None
) -> ClassifierConfig:
    """Chooses the model: a narrow Elman layer that reads n-grams.

    It is better and faster than a wide gated layer that must learn n-grams. Few rows and few labels
    get counted evidence. A table of evidence has a column for each label, so many labels make it
    large, and with many rows trained vectors are better than counts. There the n-grams' vectors
    pass the recurrent layer by, and the readout reads their mean, as in a linear model whose weight
    matrix has a low rank (Joulin et al., 2017, "Bag of tricks for efficient text classification").
    See `benchmarks/` for what each part is worth.

    Args:
        vocabulary: number of distinct characters.
        labels: number of labels.
        rows: number of training rows.
        minutes: budget of the run; None: it has no limit in minutes.
    """
    few = ClassifierConfig(
        vocabulary=vocabulary,
        labels=labels,
        cell="elman",
        embedding=64,
        hidden=128,
        dropout=0.4,
        ngrams=3,
        evidence=4 if labels <= _EVIDENCE_LABELS else 1,
    )
    if rows < MANY_ROWS:
        return few
    readings = math.inf if minutes is None else 60 * minutes * _ROWS_A_SECOND / rows
    often = readings >= _ENOUGH_READINGS
    return replace(
        few,
        hidden=256 if often else 128,
        dropout=_dropout(rows, often),
        ngrams=5,
        evidence=1,
        ngram_rows=MAX_NGRAM_ROWS,
        ngram_width=32,
        bag=True,
    )


def _dropout(rows: int, often: bool) -> float:
    """Chooses the dropout of a model of many rows, which are read often or not.

    Rows that are read often are learnt by heart: six readings of 200,000 rows ended at a loss of
    1.41 in training, and of 1.75 on held-out rows, with a dropout of 0.2. Of a million rows seven
    readings ended at the same loss on both sides with 0.15, and a dropout of 0.3 was worse.
    """
    if not often:
        return 0.2
    return 0.15 if rows >= _VERY_MANY_ROWS else 0.3


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
    if rows >= MANY_ROWS:
        # A batch touches few of the n-grams' vectors, so they need a high rate.
        return TrainingConfig(batch=512, learning_rate=share * 1e-2, weight_decay=0.05, seed=seed)
    batch = min(256, max(16, 2 ** round(math.log2(rows / 75))))
    return TrainingConfig(
        batch=batch, learning_rate=share * 3e-3 * (batch / 256) ** 0.5, weight_decay=0.05, seed=seed
    )


def classifier_epochs(rows: int) -> float:
    """Chooses the epochs if the request gives no budget. A large table needs fewer."""
    return float(min(20, max(3, round(400_000 / rows))))
