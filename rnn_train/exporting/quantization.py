"""The numbers of 8-bit products: how a weight matrix becomes integers, and how large a step is."""

from typing import NamedTuple

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
"""The largest integer of a table whose rows are looked up. They may be the input of a product."""


class RoundedTable(NamedTuple):
    """A table [rows, width] as integers: it stands for (integers - zero) * steps."""

    integers: NDArray[np.int8]
    steps: NDArray[np.float32]
    """[width]."""
    zero: NDArray[np.float32]
    """[width]."""


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
    largest = np.abs(weight).max(0)
    steps = largest / np.float32(limit)
    # A step among the subnormal numbers may be rounded down so far that the weight does not fit.
    fits = largest <= np.float32(limit + 0.25) * steps
    steps = np.where(fits, steps, np.nextafter(steps, np.float32(1)))
    steps = np.where(steps > 0, steps, 1).astype(np.float32)
    return np.round(weight / steps).astype(np.int8), steps


def quantize_table(
    table: NDArray[np.float32], centre: NDArray[np.float32] | None = None
) -> RoundedTable:
    """Round a table of vectors to integers, with one step for each column.

    Args:
        table: [rows, width].
        centre: what the integers 0 stand for, [width]; None: 0. A row that is the centre stays
            exact: it should be the one that most look-ups find.
    """
    if centre is None:
        integers, steps = quantize_columns(table, TABLE_LIMIT)
        return RoundedTable(integers, steps, np.zeros_like(steps))
    integers, steps = quantize_columns(table - centre, TABLE_LIMIT)
    return RoundedTable(integers, steps, -centre / steps)


def input_sizes(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the size of each input's weights, the largest of a row of a matrix [in, out]: [in].

    An input times its size, with weights divided by it, gives the same product. Then one step
    suits all inputs and all weights of a column, however unlike they are: both are rounded in
    proportion to what they add to the sums (Nagel et al., 2019, "Data-free quantization through
    weight equalization and bias correction"; Xiao et al., 2023, "SmoothQuant").
    """
    sizes = np.abs(weight).max(1)
    return np.where(sizes > 0, sizes, 1).astype(np.float32)


def pack_index(index: NDArray[np.int32]) -> NDArray[np.uint8] | None:
    """Pack the rows of entries into one bit for each entry.

    Args:
        index: [entries]. Some entries have a row of their own, and all others share the last row.

    Returns:
        A byte for eight entries: a bit is 1 if an entry has a row of its own. None: the rows do
        not count up from 0 in the order of the entries.
    """
    own = index != index.max(initial=0)
    if not np.array_equal(index[own], np.arange(own.sum())):
        return None
    return np.packbits(own)
