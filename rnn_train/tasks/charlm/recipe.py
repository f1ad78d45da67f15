"""Sizes, regularisation and duration: chosen from the amount of data, the machine, the minutes."""

import math
from dataclasses import dataclass, replace

import torch

from rnn_train.models.charlm import CharLSTMConfig
from rnn_train.training.config import TrainingConfig
from rnn_train.training.device import pick_precision


def operations_a_second(device: str) -> float:
    """A rough guess at what training reaches on this machine: nothing that hangs on it is sharp."""
    if device == "cuda":
        return _OPERATIONS_OF_A_GPU
    own = pick_precision(torch.device(device), bfloat16=True) is torch.bfloat16
    cores = min(torch.get_num_threads(), _USEFUL_CORES)
    return cores * _OPERATIONS_OF_A_CORE * (2 if own else 1)


def charlm_minutes(characters: int, device: str) -> float:
    """How long to train where nobody said."""
    if device == "cuda":
        return 2.0 if characters < 200_000 else 5.0
    return 2.0 if characters < 200_000 else 10.0


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """A shape, how its weights are moved, and how much is dropped of it in many passes."""

    embedding: int
    hidden: int
    layers: int
    dropout_output: float
    training: TrainingConfig


# Muon learns fastest at high rates, but wide layers over many steps diverge at them.
_SCARCE = _Kind(
    embedding=96,
    hidden=256,
    layers=1,
    dropout_output=0.25,
    training=TrainingConfig(batch=16, window=64, learning_rate=4e-3, muon=2),
)
_SHORT = _Kind(
    embedding=96,
    hidden=384,
    layers=1,
    dropout_output=0.25,
    training=TrainingConfig(batch=32, window=64, learning_rate=3e-2, muon=0.4),
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
_SHORT_MINUTES, _MIDDLE_MINUTES = 6, 40
"""Up to so many of two cores with AVX2 is the short kind of run, the middle one: a larger model
would not be done learning. Measured on a text of a megabyte."""


def _kind(characters: int, minutes: float | None, operations: float) -> _Kind:
    if _scarce(characters):
        return _SCARCE
    if minutes is None:
        return _LONG
    if minutes * operations < _SHORT_MINUTES * _TWO_CORES:
        return _VERY_SHORT if minutes < 1 else _SHORT
    return _MIDDLE if minutes * operations < _MIDDLE_MINUTES * _TWO_CORES else _LONG


def charlm_model(
    vocabulary: int,
    characters: int,
    operations: float,
    *,
    minutes: float | None = None,
    epochs: float | None = None,
    taught: bool = False,
) -> CharLSTMConfig:
    """Size by what the time allows, dropout by how often the text will be seen.

    What teachers expect is hardly learnt by heart: `taught` is all but without dropout.
    Measured on tiny Shakespeare and slices of it, see `benchmarks/`.

    Args:
        operations: a second, see `operations_a_second`.
    """
    kind = _kind(characters, minutes, operations)
    model = CharLSTMConfig(
        vocabulary=vocabulary, embedding=kind.embedding, hidden=kind.hidden, layers=kind.layers
    )
    if epochs is None:
        assert minutes is not None
        epochs = _characters_read(model, minutes, operations) / characters
    # The last comes the later the more text there is: at 60 kB, 150 passes, it still costs.
    size = max(1.0, characters / 20_000)
    stages = ((4, 16), (16, 64), (96 * size, 256 * size))
    some, many, most = (0.0 if taught else _between(epochs, *stage) for stage in stages)
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
    """0 up to `few` passes, 1 from `many` on, and by their logarithm in between.

    In a few passes nothing is learnt by heart, and dropout only slows learning; in many all is,
    but for dropout and weight drop (`benchmarks/README.md`)."""
    return min(1.0, max(0.0, math.log(max(epochs, few) / few) / math.log(many / few)))


def _characters_read(model: CharLSTMConfig, minutes: float, operations: float) -> float:
    """How many a model learns from in a time."""
    inputs = model.embedding + (model.layers - 1) * model.hidden
    weights = 4 * model.hidden * (inputs + model.layers * model.hidden)
    # Two operations a weight forward, twice as many backward.
    seconds = max(60 * minutes - _OTHER_SECONDS, 15 * minutes)
    return seconds * operations * min(1.0, model.hidden / _WIDE) / (6 * weights)


def charlm_training(
    characters: int, minutes: float | None, operations: float, seed: int, tuned: bool = False
) -> TrainingConfig:
    """Batch, window and rates; `tuned`: from trained weights."""
    chosen = _kind(characters, minutes, operations).training
    share = FINE_TUNING if tuned else 1.0
    return replace(chosen, learning_rate=chosen.learning_rate * share, seed=seed)


_OPERATIONS_OF_A_CORE = 6e10
"""With AVX2, in wide layers; twice as many where it computes in bfloat16."""
_WIDE = 512
"""Narrower layers reach the less of it the narrower they are."""
_TWO_CORES = 2 * _OPERATIONS_OF_A_CORE
_USEFUL_CORES = 8
"""More do not make batches of this size faster: a cautious guess, as the next."""
_OPERATIONS_OF_A_GPU = 8e12
_OTHER_SECONDS = 10
"""Of a run: to start, to validate, to export."""


def _scarce(characters: int) -> bool:
    """Whether a text is passed so many times that it is learnt by heart; a large one never is."""
    return characters < 200_000


FINE_TUNING = 0.25
"""Share of the learning rate for weights that know much already (--init-from)."""
TEACHER_WEIGHT = 0.8
"""Share of the teachers in what a character model learns; the rest is what did follow."""
TEACHERS_HELD_OUT = 0.05
"""Share of a text that an ensemble's teachers leave out where all of it is to be learnt: to know
how sure of themselves they may be."""
