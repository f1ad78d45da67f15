"""How much of a held-out text a training text has too."""

import mmap
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnn_train.tasks.charlm.data import CharLMData

_SAMPLES, _SAMPLE = 32, 64
"""Pieces of the held-out text that are looked for in the earlier text, and their characters."""


def shared_share(held: CharLMData, learnt: CharLMData) -> float:
    """Returns the share of the held-out text of one run that the training text of a run has too.

    It is that of samples, which a text has if it has them word for word.

    Args:
        held: gives the held-out text.
        learnt: gives the training text, in a file; with the same characters first.
    """
    samples = _samples(held)
    tokens = learnt.corpus.tokens
    assert isinstance(tokens, np.memmap)
    with (
        Path(str(tokens.filename)).open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text,
    ):
        found = sum(
            int(sample.max()) < len(learnt.corpus.vocabulary)
            and text.find(sample.astype(tokens.dtype).tobytes()) >= 0
            for sample in samples
        )
    return found / max(1, len(samples))


def _samples(data: CharLMData) -> list[NDArray[np.integer]]:
    """Returns pieces of the held-out text, or whole documents with their marks."""
    tokens = data.held_out
    if data.mark is None:
        last = len(tokens) - _SAMPLE
        return [tokens[start : start + _SAMPLE] for start in _spread(last)]
    marks = np.flatnonzero(tokens == data.mark)
    return [tokens[marks[i] : marks[i + 1] + 1] for i in _spread(len(marks) - 2)]


def _spread(last: int) -> list[int]:
    """Returns whole numbers from 0 to `last`, spread evenly; none if `last` is negative."""
    return sorted(set(np.linspace(0, last, _SAMPLES).astype(int).tolist())) if last >= 0 else []
