"""The numbers of 8-bit products: how a weight matrix becomes integers, and how large a step is."""

import numpy as np
from numpy.typing import NDArray

MIDDLE = np.uint8(128)
"""The uint8 that stands for 0 among the inputs of a product. Inputs run from 1 to 255."""
INPUT_STEP = np.float32(1 / 127)
"""The step between two neighbouring integers of an input in [-1, 1]."""
WEIGHT_LIMIT = 63
"""The largest integer of a weight: 7 of its 8 bits.

AVX2 adds two products of 8 bits in a saturating 16-bit integer, and 2 · 255 · 63 still fits. So
every processor computes exactly the same integers.
"""


TABLE_LIMIT = 127
"""The largest integer of a table whose rows are only looked up."""


def quantize_columns(
    weight: NDArray[np.float32], limit: int = WEIGHT_LIMIT
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Round a matrix [in, out] to integers, with one step for each column.

    Args:
        weight: the matrix.
        limit: the largest integer, up to 127.

    Returns:
        The integers, int8 [in, out], and the steps, float32 [out]. Integers times steps are near
        `weight`: each number is off by half a step of its column at most.
    """
    steps = np.abs(weight).max(0) / np.float32(limit)
    steps = np.where(steps > 0, steps, 1).astype(np.float32)
    return np.round(weight / steps).astype(np.int8), steps
