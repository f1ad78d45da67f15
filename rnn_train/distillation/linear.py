"""Soft targets of linear n-gram models, and their mean with those of networks.

Linear models make other errors than networks do, so together they are better teachers. The student
learns their mean (Hinton et al., 2015, "Distilling the knowledge in a neural network").
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from rnn_train.data.alphabet import Alphabet, label_indices
from rnn_train.data.encoded_rows import AnyRows
from rnn_train.data.rows import Rows
from rnn_train.data.split import split_rows
from rnn_train.evaluation.baselines import fit_baselines
from rnn_train.evaluation.temperature import fit_to_logits

LINEAR_WEIGHT = 0.4
"""Weight of the linear models in the mean."""
_TEMPERATURE_FRACTION = 0.1
"""Share of the rows to which the temperatures of the linear models are fitted."""
_LIMITS = (0.05, 20.0)
"""Of these temperatures. They are wide, because an SVM's scores have a scale of their own."""


def linear_soft_targets(rows: AnyRows, alphabet: Alphabet, seed: int) -> list[NDArray[np.float32]]:
    """Fits the linear models to labelled rows.

    Args:
        rows: the training rows.
        alphabet: labels.
        seed: of the split for the temperatures.

    Returns:
        Probabilities [rows, labels] of each linear model on the same rows.
    """
    fitted, rest = split_rows(Rows(rows.texts, rows.labels), _TEMPERATURE_FRACTION, seed)
    labels = torch.from_numpy(label_indices(rest, alphabet))
    temperatures = [
        # Clamped, because a label that only `rest` has would have infinite loss.
        fit_to_logits(model.scores(rest.texts).clamp(min=-1e3), labels, _LIMITS).temperature
        for model in fit_baselines(fitted, alphabet, seed)
    ]
    return [
        torch.softmax(model.scores(rows.texts) / temperature, -1).numpy()
        for model, temperature in zip(
            fit_baselines(rows, alphabet, seed), temperatures, strict=True
        )
    ]


def mix_soft_targets(
    networks: Sequence[NDArray[np.float32]], linear: Sequence[NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Returns the weighted mean probabilities [rows, labels] of networks and linear models."""
    mean = (1 - LINEAR_WEIGHT) * np.mean(networks, 0) + LINEAR_WEIGHT * np.mean(linear, 0)
    mixed: NDArray[np.float32] = mean.astype(np.float32)
    return mixed
