"""Other means of teachers than the recipe's arithmetic one, for `benchmarks.charlm_ideas`."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnn_train.distillation.teachers import Teachers, open_soft_targets

_ROUNDS = 50
_LEAST = 2.0**-24
"""The least probability that a file of soft targets holds."""
Tokens = NDArray[np.integer]


def probabilities(teacher: Path, tokens: Tokens) -> NDArray[np.float32]:
    """What a teacher expects after each character of a text.

    Args:
        teacher: model file.
        tokens: the text, [characters].

    Returns:
        Probabilities of the next character, [characters, vocabulary].
    """
    reader = Teachers([teacher])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "read.bin")
        reader.write_soft_targets(tokens, path)
        return np.array(open_soft_targets(path, len(reader.vocabulary)), np.float32)


def write_geometric_mean(teachers: Sequence[Path], tokens: Tokens, path: Path) -> None:
    """Writes soft targets as `Teachers.write_soft_targets` does: the geometric mean.

    Hinton et al. (2015), "Distilling the knowledge in a neural network", take either mean.

    Args:
        teachers: model files.
        tokens: the text, [characters].
        path: of the soft targets.
    """
    each = [np.log(np.maximum(probabilities(file, tokens), _LEAST)) for file in teachers]
    product = np.exp(np.mean(each, 0))
    _write(product / product.sum(-1, keepdims=True), path)


def write_weighted_mean(
    teachers: Sequence[Path], tokens: Tokens, path: Path, weights: Sequence[float]
) -> None:
    """Writes the arithmetic mean with other weights than equal ones.

    Args:
        teachers: model files.
        tokens: the text, [characters].
        path: of the soft targets.
        weights: one of each teacher; they sum to 1.
    """
    _write(np.average([probabilities(file, tokens) for file in teachers], 0, weights), path)


def _write(targets: NDArray[np.floating], path: Path) -> None:
    path.write_bytes(targets.astype("<f2").tobytes())


def learnt_weights(teachers: Sequence[Path], tokens: Tokens) -> list[float]:
    """Fits the weights of an arithmetic mean to a text that no teacher has learnt.

    Expectation maximization (Jelinek & Mercer, 1980, "Interpolated estimation of Markov source
    parameters from sparse data").

    Args:
        teachers: model files.
        tokens: the text, [characters].

    Returns:
        Weights that sum to 1.
    """
    followed = np.arange(len(tokens) - 1), tokens[1:]
    found = np.stack([probabilities(file, tokens)[followed] for file in teachers]).astype(float)
    found = np.maximum(found, _LEAST)
    weights = np.full(len(teachers), 1 / len(teachers))
    for _ in range(_ROUNDS):
        shares = weights[:, None] * found
        weights = (shares / shares.sum(0)).mean(1)
    return [round(float(weight), 4) for weight in weights]
