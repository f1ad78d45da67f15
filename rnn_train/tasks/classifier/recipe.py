"""Defaults of the classifier: size, regularisation and duration, from the data."""

import math
from dataclasses import replace

from rnn_train.evaluation.baselines import too_large
from rnn_train.models.classifier import ClassifierConfig
from rnn_train.models.hashing import MAX_PREFIX, MAX_ROWS
from rnn_train.training.config import TrainingConfig

CHARACTER_DROPOUT = 0.05
"""Share of a text's characters that training reads as unknown."""
_BALANCE, _MANY_BALANCE = 0.2, 0.3
"""How far rare labels are favoured: frequent labels lose almost nothing. The second one is for many
rows, which tell rare labels apart better."""
FINE_TUNING = 0.25
"""Factor of the learning rate for a warm start (--init-from)."""
STUDENT_EPOCHS, SYNTHETIC_EPOCHS = 1.5, 3.0
"""Epochs of a student, as a multiple of its teachers': soft targets overfit later. The second one
is for a student that reads synthetic texts."""
STUDENT_BALANCE = 0.1
"""How far a student favours rare labels. Its teachers are less sure than the labels are, so a shift
of their logits changes more predictions."""
STUDENT_CHARACTER_DROPOUT = 0.02
"""Share of unknown characters for a student: synthetic texts keep it from overfitting."""
REPEATS = 4
"""How often a student reads each row, while it reads each synthetic text once."""
_SYNTHETIC, _MOST_SYNTHETIC, _SYNTHETIC_A_SECOND = 16, 250_000, 500
"""Synthetic texts for each row, at most, and for each second of the minutes: linear models and
networks predict them at some ten thousand a second."""
_STUDENT_RATE = 3.0
"""Factor of the learning rate of a student that reads synthetic texts, for the same batch."""
_SHORT = 60
"""Median length of a text in characters, up to which the linear models read letters. Above it they
read words, of which the synthetic texts know nothing."""
_EVIDENCE_LABELS = 50
"""Up to this many labels, the n-grams' naive-Bayes weight of evidence is worth its space."""
MANY_ROWS = 100_000
"""From so many rows on, vectors of long n-grams are learnt well enough to decide by themselves."""
NGRAMS_ALONE = 0.9
"""Share of a run of many rows that trains the n-grams' vectors alone. A whole network that is
trained for longer learns the names of a million by heart."""
_FEW_CHARACTERS = 250.0
"""Perplexity of single characters up to which n-grams alone are trained first. A million names in
Latin letters have 31. Of a thousand ideographs few n-grams are frequent enough for a vector of
their own, so single characters decide, which only the whole network reads."""
_PREFIX = MAX_PREFIX
"""Characters of the word so far, at most, that have a vector. Most words of names are no longer."""
_FREQUENT = 100_000
"""N-grams of many rows that have a vector of their own."""
_NGRAM_DROPOUT, _MOST_NGRAM_DROPOUT = 0.3, 0.45
"""Share of the n-grams' vectors that training reads as zeros, or else it learns rare ones by heart:
for rows that are read four times, and at most."""
_TABLE_RATE = 50.0
"""Rate of row-wise Adagrad for the n-grams' vectors, as a multiple of the learning rate."""
_FEW_READINGS = 20.0
"""Up to so many readings of each row, the rate of the n-grams' phase does not fall. With more, rare
n-grams are learnt by heart, and a falling rate was better (`benchmarks/million_names.py`)."""
_LONG_AVERAGE, _AVERAGE_EVERY = 0.9996, 8
"""Decay of the average of the weights where the rate does not fall, and steps between its updates.
Up to 180,000 steps it reaches back over a ninth of a phase, which replaces a falling rate: rare
n-grams learn to the end. An update after each step would take a seventh of the phase's time."""
_FEW_UNKNOWN = 0.01
"""Share of unknown characters, where n-grams are dropped: each stands in many n-grams."""
_LONG_NGRAMS_ALONE = 0.95
"""The same share, if the minutes are too few for the whole network to read many of the rows."""
_WORTH_IT = 0.25
"""Share of the rows that the whole network must be able to read. Where it read less, it made the
n-grams' predictions no better (rows of 50 to 1,500 characters)."""
_CHARACTERS_A_SECOND = 60_000
"""Characters that training of the whole network reads a second, on one core. The n-grams alone
read some 25 times as many, if rows are long."""
_READ_A_SECOND = 500_000
"""Characters of short rows that the n-grams alone read a second, on one core: a guess, of which the
choice depends weakly."""


def readings(characters: int, minutes: float) -> float:
    """Estimates how often a run of some minutes reads each row.

    Args:
        characters: of all training rows.
        minutes: of one network.
    """
    return 60 * minutes * _READ_A_SECOND / max(1, characters)


def classifier_model(
    vocabulary: int, labels: int, rows: int, read: float = 4.0
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
        read: how often training reads each row.
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
    return replace(
        few,
        hidden=128,
        dropout=0.1,
        ngrams=4,
        prefix=_PREFIX,
        evidence=1,
        ngram_rows=MAX_ROWS,
        frequent_ngrams=_FREQUENT,
        ngram_width=32,
        ngram_dropout=_ngram_dropout(read),
        bag=True,
    )


def _ngram_dropout(read: float) -> float:
    """Chooses the share of the n-grams' vectors that training reads as zeros. A tenth more of them
    keeps rows that are read twice as often from being learnt by heart."""
    more = 0.1 * math.log2(max(read, 4.0) / 4.0)
    return round(min(_NGRAM_DROPOUT + more, _MOST_NGRAM_DROPOUT), 2)


def balance(rows: int) -> float:
    """Chooses how far rare labels are favoured; see `ClassifierObjective`.

    Args:
        rows: number of training rows.
    """
    return _BALANCE if rows < MANY_ROWS else _MANY_BALANCE


def character_dropout(model: ClassifierConfig) -> float:
    """Chooses the share of a text's characters that training reads as unknown.

    Args:
        model: the model.
    """
    return _FEW_UNKNOWN if model.ngram_dropout else CHARACTER_DROPOUT


def ngrams_alone(
    model: ClassifierConfig,
    rows: int,
    characters: int,
    minutes: float | None = None,
    perplexity: float = 1.0,
) -> float:
    """Chooses the share of a run that trains the n-grams' vectors alone, before the whole network.

    Several times as many rows are read in that time, and rare n-grams and labels need many. If rows
    are long and the minutes few, nearly the whole run does: the whole network would read too few
    rows to learn from.

    Args:
        model: the model.
        rows: number of training rows.
        characters: of all these rows.
        minutes: budget of the run; None: it has no limit in minutes.
        perplexity: of single characters.
    """
    whole = model.bag and model.pool and model.vector_tables > 0 and model.evidence == 1
    if not whole or rows < MANY_ROWS or perplexity > _FEW_CHARACTERS:
        return 0.0
    if minutes is None:
        return NGRAMS_ALONE
    read = (1 - NGRAMS_ALONE) * 60 * minutes * _CHARACTERS_A_SECOND / characters
    return NGRAMS_ALONE if read >= _WORTH_IT else _LONG_NGRAMS_ALONE


def student_model(teacher: ClassifierConfig, synthetic: int = 0) -> ClassifierConfig:
    """Chooses the student of an ensemble: half as wide is enough, with less dropout.

    Args:
        teacher: a network of the ensemble.
        synthetic: number of synthetic texts. With them the student needs no dropout.
    """
    return replace(
        teacher,
        embedding=max(1, teacher.embedding // 2),
        hidden=max(1, teacher.hidden // 2),
        dropout=0.0 if synthetic else min(teacher.dropout, 0.2),
    )


def synthetic_count(rows: int, labels: int, length: float, minutes: float | None = None) -> int:
    """Chooses how many synthetic texts the student of an ensemble reads.

    A student learns from them what its teachers think of new texts; see `distillation.synthetic`.
    Large tables and long texts get none.

    Args:
        rows: number of training rows.
        labels: number of labels.
        length: median length of a text in characters.
        minutes: budget of the run; None: it has no limit in minutes.
    """
    if too_large(rows, labels) or length > _SHORT:
        return 0
    most = math.inf if minutes is None else 60 * minutes * _SYNTHETIC_A_SECOND
    return int(min(_SYNTHETIC * rows, _MOST_SYNTHETIC, most))


def classifier_training(
    rows: int, seed: int, fine_tuning: bool = False, read: float = 4.0
) -> TrainingConfig:
    """Chooses batch and learning rate. A small table needs small batches to get enough steps.

    Args:
        rows: number of training rows.
        seed: of the run.
        fine_tuning: training starts from trained weights.
        read: how often training reads each row.
    """
    share = FINE_TUNING if fine_tuning else 1.0
    if rows >= MANY_ROWS:
        many = TrainingConfig(
            batch=512, learning_rate=share * 1e-2, tables=_TABLE_RATE, weight_decay=0.05, seed=seed
        )
        if read > _FEW_READINGS:
            return many
        return replace(many, held=True, average=_LONG_AVERAGE, average_every=_AVERAGE_EVERY)
    batch = min(256, max(16, 2 ** round(math.log2(rows / 75))))
    return TrainingConfig(
        batch=batch, learning_rate=share * 3e-3 * (batch / 256) ** 0.5, weight_decay=0.05, seed=seed
    )


def student_epochs(synthetic: int) -> float:
    """Chooses the epochs of a student, as a multiple of its teachers'.

    Args:
        synthetic: number of synthetic texts.
    """
    return SYNTHETIC_EPOCHS if synthetic else STUDENT_EPOCHS


def student_training(teacher: TrainingConfig) -> TrainingConfig:
    """Chooses batch and learning rate of a student.

    Soft targets of many texts have little noise, so a high rate comes nearer to the teachers.
    """
    rate = _STUDENT_RATE * 2**0.5 * teacher.learning_rate
    return replace(teacher, batch=2 * teacher.batch, learning_rate=rate)


def classifier_epochs(rows: int) -> float:
    """Chooses the epochs if the request gives no budget. A large table needs fewer."""
    return float(min(20, max(3, round(400_000 / rows))))
