"""Reading texts of different lengths in one batch: the same state as each alone."""

import numpy as np
import pytest

from rnn_infer.runtime import reading
from rnn_infer.runtime.reading import MAX_CHUNK, chunk_length, read_ragged
from rnn_infer.runtime.stepper import Stepper


@pytest.mark.parametrize("lengths", [[0, 3, 1], [5], [7, 7], [0, 0], [40, 2, 17, 39]])
def test_rows_are_read_as_if_alone(
    stepper: Stepper, lengths: list[int], rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_CHUNK", 16)
    texts = [rng.integers(0, 41, length) for length in lengths]
    together = read_ragged(stepper, stepper.zeros(len(texts)), texts)
    for row, text in enumerate(texts):
        alone = stepper.consume(text[None], stepper.zeros(1))
        for whole, part in zip(together, alone, strict=True):
            np.testing.assert_array_equal(whole[row], part[0])


def test_a_call_is_bounded(stepper: Stepper) -> None:
    assert chunk_length(stepper, 1) == MAX_CHUNK
    assert chunk_length(stepper, 10**9) == 1
