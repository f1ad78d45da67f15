"""Defaults of the character model: size, regularisation and duration, from text and budget."""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from rnn_train.models.charlm import CharLSTMConfig
from rnn_train.training.config import TrainingConfig
from rnn_train.training.device import pick_precision

FINE_TUNING = 0.25
"""Factor of the learning rate for a warm start (--init-from)."""
TEACHER_WEIGHT = 0.8
"""Weight of the soft targets in the loss. The rest is the weight of the next character."""
TEACHER_HELD_OUT = 0.05
"""Share of the text that the teachers of an ensemble hold out if the run holds nothing out. Their
temperature is fitted to it."""
LEARN_ALL_FROM = 0.8
"""Share of a run after which it learns the held-out text too. The learning rate is then at a tenth
of its peak: high enough to learn, and the temperature hardly changes any more."""
_OPERATIONS_OF_A_CORE = 6e10
"""Operations a second of one AVX2 core in wide layers. In bfloat16 it is twice as many."""
_TWO_CORES = 2 * _OPERATIONS_OF_A_CORE
_USEFUL_CORES = 8
"""More cores do not make batches of this size faster. It is a cautious guess."""
_OPERATIONS_OF_A_GPU = 8e12
"""Operations a second of a GPU; a cautious guess too."""
_WIDE = 512
"""Width from which a layer reaches that speed. Narrower layers are slower in proportion."""
_OTHER_SECONDS = 6
"""Seconds of a run that are not training: start, validation, export."""
_LEAST_WINDOW = 8
_DECAY_PASSES = 3.0, 4.5
"""Passes from which the weight decay rises, and those at which it is ten times as high. At 4.6
passes that is 0.01 to 0.02 nats better on three texts, at 2.7 passes not for certain."""
_SCARCE_CHARACTERS = 200_000
"""A shorter text is read so often that a large model overfits it."""


def operations_a_second(device: str, processes: int = 1) -> float:
    """Guesses how many operations a second training does on this machine.

    The choices depend on it only weakly.

    Args:
        device: "cpu" or "cuda".
        processes: how many share a batch. Their threads count together. Their GPUs do not: a
            batch of this size does not fill one.
    """
    if device == "cuda":
        return _OPERATIONS_OF_A_GPU
    own = pick_precision(torch.device(device), bfloat16=True) is torch.bfloat16
    cores = min(processes * torch.get_num_threads(), _USEFUL_CORES)
    return cores * _OPERATIONS_OF_A_CORE * (2 if own else 1)


def charlm_minutes(characters: int, device: str) -> float:
    """Chooses the minutes of a network if the request gives neither minutes nor epochs."""
    if device == "cuda":
        return 2.0 if characters < _SCARCE_CHARACTERS else 5.0
    return 2.0 if characters < _SCARCE_CHARACTERS else 10.0


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """A shape of the model, how to train it, and its dropout."""

    embedding: int
    hidden: int
    layers: int
    dropout_output: float
    """Rate after some passes."""
    training: TrainingConfig
    decay: float | None = None
    """Weight decay from some passes on; None: that of `training`."""
    many: tuple[float, float] = (16, 64)
    """Passes from which the text is learnt by heart, and those at which it is all learnt so: in
    between, dropout rises further."""


# Muon learns fastest at high learning rates, but wide layers diverge at them over many steps.
_SCARCE = _Kind(
    embedding=96,
    hidden=256,
    layers=1,
    dropout_output=0.25,
    # The embedding and the head must learn characters that occur a few times: at a seventh of
    # this rate, half a minute is too short for it.
    training=TrainingConfig(batch=16, window=64, learning_rate=3e-2, muon=0.27),
    many=(12, 48),
)
_SHORT = _Kind(
    embedding=96,
    hidden=384,
    layers=1,
    dropout_output=0.25,
    training=TrainingConfig(batch=32, window=64, learning_rate=3e-2, muon=0.4),
    decay=0.1,
)
_VERY_SHORT = replace(_SHORT, hidden=256)
_MIDDLE = _Kind(
    embedding=128,
    hidden=640,
    layers=1,
    dropout_output=0.4,
    training=TrainingConfig(batch=64, window=64, learning_rate=2e-2, muon=0.45, weight_decay=0.05),
)
_LONG = _Kind(
    embedding=128,
    hidden=512,
    layers=2,
    dropout_output=0.4,
    training=TrainingConfig(batch=32, window=128, learning_rate=2e-2, muon=0.35, weight_decay=0.05),
)
_VERY_SHORT_MINUTES, _SHORT_MINUTES, _MIDDLE_MINUTES = 2, 6, 40
"""Minutes on two AVX2 cores up to which a run is of these kinds. In that time a larger model learns
less. Measured on a text of one megabyte."""


def _kind(characters: int, minutes: float | None, operations: float) -> _Kind:
    if characters < _SCARCE_CHARACTERS:
        return _SCARCE
    if minutes is None:
        return _LONG
    work = minutes * operations / _TWO_CORES
    if work < _SHORT_MINUTES:
        return _VERY_SHORT if work < _VERY_SHORT_MINUTES else _SHORT
    return _MIDDLE if work < _MIDDLE_MINUTES else _LONG


def charlm_model(
    vocabulary: int,
    characters: int,
    operations: float,
    *,
    minutes: float | None = None,
    epochs: float | None = None,
    distilled: bool = False,
) -> CharLSTMConfig:
    """Chooses the size by the time, and dropout by the number of passes over the text.

    Measured on tiny Shakespeare and slices of it, see `benchmarks/`.

    Args:
        vocabulary: number of distinct characters.
        characters: length of the text.
        operations: see `operations_a_second`.
        minutes, epochs: the budget, one of the two.
        distilled: the model learns soft targets. It hardly overfits, so dropout is low.
    """
    kind = _kind(characters, minutes, operations)
    model = CharLSTMConfig(
        vocabulary=vocabulary, embedding=kind.embedding, hidden=kind.hidden, layers=kind.layers
    )
    epochs = _passes(model, characters, operations, minutes, epochs)
    # The last stage of weight drop helps later if the text is longer: at 60 kB and 150 passes it
    # still makes the model worse.
    size = max(1.0, characters / 20_000)
    stages = ((4, 16), kind.many, (96 * size, 256 * size))
    some, many, most = (0.0 if distilled else _between(epochs, *stage) for stage in stages)
    output = kind.dropout_output * some + (0.5 - kind.dropout_output) * many
    return replace(
        model,
        skip=True,
        dropout_input=round(0.12 * some + 0.13 * many, 2),
        dropout_layer=round(0.2 * some + 0.1 * many, 2),
        dropout_output=round(max(0.1, output), 2),
        weight_drop=round(0.3 * many + 0.2 * most, 2),
    )


def _between(epochs: float, few: float, many: float) -> float:
    """0 up to `few` passes, 1 from `many` on, and linear in their logarithm in between.

    A few passes do not overfit, and dropout would slow them down. Many passes overfit without it
    (`benchmarks/README.md`).
    """
    return min(1.0, max(0.0, math.log(max(epochs, few) / few) / math.log(many / few)))


def _passes(
    model: CharLSTMConfig,
    characters: int,
    operations: float,
    minutes: float | None,
    epochs: float | None,
) -> float:
    """Returns the passes over the text that a budget allows."""
    if epochs is not None:
        return epochs
    assert minutes is not None
    return _characters_read(model, minutes, operations) / characters


def _characters_read(model: CharLSTMConfig, minutes: float, operations: float) -> float:
    """Guesses how many characters a model reads in a time."""
    inputs = model.embedding + (model.layers - 1) * model.hidden
    weights = 4 * model.hidden * (inputs + model.layers * model.hidden)
    # Each weight takes two operations forward and four backward.
    seconds = max(60 * minutes - _OTHER_SECONDS, 15 * minutes)
    return seconds * operations * min(1.0, model.hidden / _WIDE) / (6 * weights)


def for_documents(training: TrainingConfig, lengths: NDArray[np.int64]) -> TrainingConfig:
    """Fits the window to documents, and keeps the characters of a batch.

    A document begins at the start of a window, so a window far longer than a document is mostly
    empty.

    Args:
        training: the choice for a text that is one document.
        lengths: characters of each document, [documents].
    """
    usual = int(np.quantile(lengths, 0.9, method="lower")) if len(lengths) else training.window
    window = max(_LEAST_WINDOW, min(training.window, usual))
    return replace(training, window=window, batch=training.batch * training.window // window)


def charlm_training(
    characters: int,
    minutes: float | None,
    operations: float,
    seed: int,
    fine_tuning: bool = False,
    epochs: float | None = None,
) -> TrainingConfig:
    """Chooses batch, window, learning rates and weight decay.

    Args:
        characters: length of the text.
        minutes: time of the network; None: the budget is epochs.
        operations: see `operations_a_second`.
        seed: of the run.
        fine_tuning: training starts from trained weights.
        epochs: passes over the text; None: they follow from the minutes.
    """
    kind = _kind(characters, minutes, operations)
    chosen = kind.training
    if kind.decay:
        model = CharLSTMConfig(
            vocabulary=0, embedding=kind.embedding, hidden=kind.hidden, layers=kind.layers
        )
        passes = _passes(model, characters, operations, minutes, epochs)
        higher = (kind.decay / chosen.weight_decay) ** _between(passes, *_DECAY_PASSES)
        chosen = replace(chosen, weight_decay=round(chosen.weight_decay * higher, 3))
    share = FINE_TUNING if fine_tuning else 1.0
    return replace(chosen, learning_rate=chosen.learning_rate * share, seed=seed)
