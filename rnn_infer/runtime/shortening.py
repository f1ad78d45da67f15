"""Asking a classifier's file for fewer logits: see `rnn_infer/contract.py`, "Fewer logits"."""

import numpy as np
from numpy.typing import NDArray

from rnn_infer.modelfile.reader import ModelFile


def shortens(file: ModelFile) -> bool:
    """Return whether a file computes fewer logits if fewer are asked for."""
    return file.metadata.kind == "classifier" and not file.steps and "If" in file.operators


def last_alone(file: ModelFile, tokens: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return tokens [batch, time] that ask for the logits after the last ones alone."""
    # A single token has no logits before it, and shifted it would ask for none.
    return _shifted(file, tokens, [0]) if tokens.shape[1] > 1 else tokens


def no_logits(file: ModelFile, tokens: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return tokens [batch, time] that ask for the states alone."""
    return _shifted(file, tokens, [0, -1])


def _shifted(file: ModelFile, tokens: NDArray[np.int64], times: list[int]) -> NDArray[np.int64]:
    if not shortens(file):
        return tokens
    shifted = tokens.copy()
    shifted[0, times] = tokens[0, times] - len(file.metadata.vocabulary)
    return shifted
