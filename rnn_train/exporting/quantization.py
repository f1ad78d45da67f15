"""8-bit products: how a weight matrix becomes integers, and what one step of them is worth."""

import numpy as np
from numpy.typing import NDArray

MIDDLE = np.uint8(128)
"""The uint8 that stands for 0 among the inputs of a product: they run from 1 to 255."""
INPUT_STEP = np.float32(1 / 127)
"""One step of an input that lies in [-1, 1]."""
WEIGHT_LIMIT = 63
"""Largest integer of a weight.

7 of its 8 bits: AVX2 sums two products of 8 bits in 16, saturating, and 2 · 255 · 63 still fits.
So every processor computes the same integers, exactly, and no row can touch another by rounding.
"""
SMALLEST = 2**15
"""Matrices of fewer weights stay float32: the nearest cache holds them anyway."""


def quantize_columns(weight: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Rounds a matrix [in, out] to integers, with a step of its own for each column.

    Returns:
        int8 [in, out], and float32 [out]: their product is near `weight`.
    """
    steps = np.abs(weight).max(0) / np.float32(WEIGHT_LIMIT)
    steps = np.where(steps > 0, steps, 1).astype(np.float32)
    return np.round(weight / steps).astype(np.int8), steps
