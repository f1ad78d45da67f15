"""Soft targets of linear n-gram models, and their mean with those of networks.

Linear models make other errors than networks do, so together they are better teachers. The student
learns their mean (Hinton et al., 2015, "Distilling the knowledge in a neural network").
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from rnn_train.data.alphabet import Alphabet, label_indices
from rnn_train.data.encoded_rows import AnyRows, EncodedRows
from rnn_train.data.rows import Rows
from rnn_train.data.split import split_rows
from rnn_train.evaluation.baselines import NGramModel, fit_baselines
from rnn_train.evaluation.hashed_linear import HashedLinear
from rnn_train.evaluation.temperature import fit_to_logits

LINEAR_WEIGHT, SYNTHETIC_LINEAR_WEIGHT = 0.4, 0.7
"""Weight of the linear models in the mean. The second one is for a student that reads synthetic
texts: on new names, naive Bayes and an SVM together are better than the networks."""
_TEMPERATURE_FRACTION = 0.1
"""Share of the rows to which the temperatures of the linear models are fitted."""
_TEMPERATURE_ROWS = 10_000
"""Of a large table, so many rows at most."""
_LIMITS = (0.05, 20.0)
"""Of these temperatures. They are wide, because an SVM's scores have a scale of their own."""


@dataclass(frozen=True)
class LinearTeachers:
    """Linear models, and the temperature of each."""

    models: Sequence[NGramModel | HashedLinear]
    temperatures: Sequence[float]

    @classmethod
    def fit(cls, rows: AnyRows, alphabet: Alphabet, seed: int) -> "LinearTeachers":
        """Fits naive Bayes and an SVM to a small table.

        Args:
            rows: the training rows.
            alphabet: labels.
            seed: of the split for the temperatures.
        """
        fitted, rest = split_rows(Rows(rows.texts, rows.labels), _TEMPERATURE_FRACTION, seed)
        temperatures = [
            _temperature(model, rest, alphabet) for model in fit_baselines(fitted, alphabet, seed)
        ]
        return cls(fit_baselines(rows, alphabet, seed), temperatures)

    @classmethod
    def fit_hashed(
        cls, rows: EncodedRows, alphabet: Alphabet, seed: int, seconds: float
    ) -> "LinearTeachers":
        """Fits a hashed linear model to a large table, within some seconds. The rows of its
        temperature are left out.

        Args:
            rows: the training rows.
            alphabet: labels.
            seed: of the order of the rows.
            seconds: of the fit.
        """
        order = np.random.default_rng(seed).permutation(len(rows))
        count = min(_TEMPERATURE_ROWS, round(len(rows) * _TEMPERATURE_FRACTION))
        model = HashedLinear.suited(rows, alphabet, seed).fit(rows.take(order[count:]), seconds)
        return cls([model], [_temperature(model, rows.take(order[:count]), alphabet)])

    def soft_targets(self, rows: AnyRows) -> list[NDArray[np.float32]]:
        """Returns the probabilities [rows, labels] that each model gives to the labels of rows."""
        return [
            torch.softmax(model.scores(rows) / temperature, -1).numpy()
            for model, temperature in zip(self.models, self.temperatures, strict=True)
        ]


def mix_soft_targets(
    networks: Sequence[NDArray[np.floating]],
    linear: Sequence[NDArray[np.float32]],
    weight: float = LINEAR_WEIGHT,
) -> NDArray[np.float32]:
    """Returns the weighted mean probabilities [rows, labels] of networks and linear models.

    Args:
        networks, linear: probabilities [rows, labels] of each model.
        weight: of the linear models.
    """
    exact = [np.asarray(each, np.float32) for each in networks]
    mean = (1 - weight) * np.mean(exact, 0) + weight * np.mean(linear, 0)
    mixed: NDArray[np.float32] = mean.astype(np.float32)
    return mixed


def _temperature(model: NGramModel | HashedLinear, rows: AnyRows, alphabet: Alphabet) -> float:
    """Fits the temperature of a linear model to rows that it has not read."""
    labels = torch.from_numpy(label_indices(rows, alphabet))
    # Clamped, because a label that only these rows have would have infinite loss.
    return fit_to_logits(model.scores(rows).clamp(min=-1e3), labels, _LIMITS).temperature
