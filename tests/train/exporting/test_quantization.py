"""Rounding a weight matrix to integers."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from rnn_train.exporting.quantization import WEIGHT_LIMIT, quantize_columns

MATRICES = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 6), st.integers(1, 5)),
    elements=st.floats(-100, 100, width=32),
)


@given(MATRICES)
def test_each_number_is_off_by_half_a_step(weight: NDArray[np.float32]) -> None:
    integers, steps = quantize_columns(weight)
    assert integers.dtype == np.int8
    assert np.abs(integers.astype(int)).max() <= WEIGHT_LIMIT
    assert (np.abs(integers * steps - weight) <= 0.501 * steps).all()


def test_columns_have_their_own_steps() -> None:
    integers, steps = quantize_columns(np.array([[63, 0.63], [-21, 0.01]], np.float32))
    assert integers.tolist() == [[63, 63], [-21, 1]]
    np.testing.assert_allclose(steps, [1, 0.01], rtol=1e-6)


def test_a_column_of_zeros_stays_zero() -> None:
    integers, steps = quantize_columns(np.zeros((3, 2), np.float32))
    assert not integers.any()
    assert np.isfinite(steps).all()


def test_sums_of_two_products_fit_into_16_bits() -> None:
    """AVX2 adds two products in a saturating int16."""
    assert 2 * 255 * WEIGHT_LIMIT < 2**15
