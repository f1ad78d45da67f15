"""How much of a text a run has learnt."""

import mmap
from pathlib import Path

import numpy as np

from rnn_train.tasks.charlm.data import CharLMData, Tokens

_SAMPLES, _SAMPLE = 32, 64
"""Pieces of the text that are looked for in that of the run, and their characters."""


def shared_share(tokens: Tokens, mark: int | None, learnt: CharLMData) -> float:
    """Returns the share of a text that the whole text of a run has too.

    It is that of samples, which a text has if it has them word for word.

    Args:
        tokens: the text, [characters].
        mark: token between documents; None: there are no documents.
        learnt: gives the text of the run, in a file; with the same characters first.
    """
    samples, whole = _samples(tokens, mark), learnt.corpus.tokens
    assert isinstance(whole, np.memmap)
    with (
        Path(str(whole.filename)).open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text,
    ):
        found = sum(
            int(sample.max()) < len(learnt.corpus.vocabulary)
            and text.find(sample.astype(whole.dtype).tobytes()) >= 0
            for sample in samples
        )
    return found / max(1, len(samples))


def _samples(tokens: Tokens, mark: int | None) -> list[Tokens]:
    """Returns pieces of a text, or whole documents with their marks."""
    if mark is None:
        last = len(tokens) - _SAMPLE
        return [tokens[start : start + _SAMPLE] for start in _spread(last)]
    marks = np.flatnonzero(tokens == mark)
    return [tokens[marks[i] : marks[i + 1] + 1] for i in _spread(len(marks) - 2)]


def _spread(last: int) -> list[int]:
    """Returns whole numbers from 0 to `last`, spread evenly; none if `last` is negative."""
    return sorted(set(np.linspace(0, last, _SAMPLES).astype(int).tolist())) if last >= 0 else []
