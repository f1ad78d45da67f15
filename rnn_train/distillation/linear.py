"""Soft targets of a classifier's ensemble: networks and linear n-gram models together.

The linear models err on other texts than the networks do, so they add most to what the student can
learn (Hinton et al., 2015, "Distilling the knowledge in a neural network").
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from rnn_train.data.alphabet import Alphabet, label_indices
from rnn_train.data.rows import Rows
from rnn_train.data.split import split_rows
from rnn_train.evaluation.baselines import fit_baselines
from rnn_train.evaluation.metrics import fit_temperature

LINEAR_WEIGHT = 0.4
"""Weight of the linear models in the mean."""
_TEMPERATURE_FRACTION = 0.1
"""Share of the rows that the linear models' temperatures are fitted to."""


def linear_soft_targets(rows: Rows, alphabet: Alphabet, seed: int) -> list[NDArray[np.float32]]:
    """Probabilities [rows, labels] of each linear model on the rows it was fitted to."""
    fitted, rest = split_rows(rows, _TEMPERATURE_FRACTION, seed)
    labels = torch.from_numpy(label_indices(rest, alphabet))
    temperatures = [
        # Clamped: a label that only `rest` has would make every temperature infinitely bad.
        fit_temperature(model.scores(rest.texts).clamp(min=-1e3), labels)
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
    """Weighted mean of the probabilities [rows, labels] of all networks and linear models."""
    mean = (1 - LINEAR_WEIGHT) * np.mean(networks, 0) + LINEAR_WEIGHT * np.mean(linear, 0)
    mixed: NDArray[np.float32] = mean.astype(np.float32)
    return mixed
