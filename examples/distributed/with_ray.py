"""Label a column with Ray Data.

Ray gives a task one CPU by default, and what reads the data needs a CPU too. On a machine of two
CPUs two such workers may take all there are, and nothing moves. So a worker asks for half a CPU
here.
"""

from collections.abc import Sequence
from typing import Any

import pandas
import ray

from examples.distributed.column import Function


def apply(
    function: Function, names: Sequence[Any], *, cpus: float = 0.5, rows: int = 5000
) -> list[Any]:
    """Apply a function to a column in Ray's processes. Ray runs the part of a lost worker again.

    Args:
        function: from a column to a column.
        names: the column.
        cpus: that a worker asks for.
        rows: of a batch.

    Returns:
        The column of results, in the order of `names`.
    """
    ray.data.DataContext.get_current().execution_options.preserve_order = True

    def labelled(table: pandas.DataFrame) -> pandas.DataFrame:
        return table.assign(label=pandas.Series(function(table["name"]), table.index))

    table = pandas.DataFrame({"name": pandas.Series(names, dtype=object)})
    blocks = [table[begin : begin + rows] for begin in range(0, len(table), rows)]
    data = ray.data.from_pandas(blocks)
    found = data.map_batches(labelled, batch_format="pandas", batch_size=rows, num_cpus=cpus)
    labels = found.to_pandas()["label"].astype(object)
    return list(labels.where(labels.notna(), None))
