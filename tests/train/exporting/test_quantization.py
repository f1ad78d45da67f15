"""Rounding a weight matrix to integers."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from rnn_train.exporting.quantization import (
    TABLE_LIMIT,
    WEIGHT_LIMIT,
    input_sizes,
    pack_index,
    quantize_columns,
    quantize_table,
)

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


def test_subnormal_numbers_fit() -> None:
    """Their steps are coarse: rounded down, this one made 128, which is -128 in int8."""
    integers, steps = quantize_columns(np.array([[3.6e-43], [0]], np.float32), TABLE_LIMIT)
    assert 0 < integers[0, 0] <= TABLE_LIMIT
    assert abs(integers[0, 0] * steps[0] - np.float32(3.6e-43)) <= 0.501 * steps[0]


def test_a_column_of_zeros_stays_zero() -> None:
    integers, steps = quantize_columns(np.zeros((3, 2), np.float32))
    assert not integers.any()
    assert np.isfinite(steps).all()


def test_sums_of_two_products_fit_into_16_bits() -> None:
    """AVX2 adds two products in a saturating int16."""
    assert 2 * 255 * WEIGHT_LIMIT < 2**15


@given(MATRICES)
def test_the_centre_of_a_table_stays_exact(table: NDArray[np.float32]) -> None:
    integers, steps, zero = quantize_table(table, table[0])
    found = (integers - zero) * steps
    assert np.abs(integers.astype(int)).max() <= TABLE_LIMIT
    largest = np.abs(table).max(0)
    assert (np.abs(found - table) <= 0.501 * steps + 1e-5 * largest).all()
    assert (np.abs(found[0] - table[0]) <= 1e-5 * largest).all()


def test_a_table_without_a_centre_has_zero_in_the_middle() -> None:
    integers, steps, zero = quantize_table(np.array([[-2], [0], [1]], np.float32))
    assert integers.ravel().tolist() == [-127, 0, 64]
    assert zero.tolist() == [0]
    assert np.isclose(steps[0], 2 / 127)


def test_the_size_of_an_input_is_its_largest_weight() -> None:
    weight = np.array([[0.5, -2], [0, 0], [3, 1]], np.float32)
    assert input_sizes(weight).tolist() == [2, 1, 3]


def test_an_index_in_bits() -> None:
    packed = pack_index(np.array([9, 0, 9, 9, 1, 2, 9, 9, 3], np.int32))
    assert packed is not None
    assert packed.tolist() == [0b01001100, 0b10000000]
    for other in ([1, 0, 9], [0, 2, 9], [0, 0, 9]):
        assert pack_index(np.array(other, np.int32)) is None
