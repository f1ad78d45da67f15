"""What an ensemble knows, as targets for one network to learn (Hinton et al., 2015).

The teachers are networks like the pupil, and the linear n-gram models: these err on other texts
than a network does, and so teach it most.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from rnn_train.data.alphabet import Alphabet, label_indices
from rnn_train.data.labelled import Rows, split_rows
from rnn_train.evaluation.baselines import fit_baselines
from rnn_train.evaluation.metrics import fit_temperature

LINEAR_WEIGHT = 0.4
"""Share of the linear models in the ensemble's answer."""
_FOR_TEMPERATURE = 0.1


def linear_soft_targets(rows: Rows, alphabet: Alphabet, seed: int) -> list[NDArray[np.float32]]:
    """Each linear model's probabilities [rows, labels] on the rows it is fitted to."""
    part, rest = split_rows(rows, _FOR_TEMPERATURE, seed)
    labels = torch.from_numpy(label_indices(rest, alphabet))
    temperatures = [
        # Finite: a label that only `rest` has would make every temperature infinitely bad.
        fit_temperature(model.scores(rest.texts).clamp(min=-1e3), labels)
        for model in fit_baselines(part, alphabet, seed)
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
    """The ensemble's answer: a weighted mean of its members' probabilities [rows, labels]."""
    mean = (1 - LINEAR_WEIGHT) * np.mean(networks, 0) + LINEAR_WEIGHT * np.mean(linear, 0)
    answer: NDArray[np.float32] = mean.astype(np.float32)
    return answer
