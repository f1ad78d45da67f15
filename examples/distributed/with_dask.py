"""Label a column with Dask: a bag or a data frame, in threads or in a cluster.

Without a cluster, `dask.config.set(scheduler="threads")` or `"processes"` chooses where it runs.
With a `distributed.Client`, Dask runs the part of a lost worker again by itself.
"""

from collections.abc import Sequence
from typing import Any

import dask.bag
import dask.dataframe
import pandas

from examples.distributed.column import Function, parts


def apply_bag(function: Function, names: Sequence[Any], *, rows: int = 5000) -> list[Any]:
    """Apply a function to a column, as a bag.

    Args:
        function: from a column to a column.
        names: the column.
        rows: of a partition.

    Returns:
        The column of results, in the order of `names`.
    """
    partitions = [dask.delayed(list)(part) for part in parts(names, rows)]
    bag = dask.bag.from_delayed(partitions)
    return list(bag.map_partitions(_listed, function).compute())


def _listed(names: Any, function: Function) -> list[Any]:
    return list(function(list(names)))


def apply_frame(function: Function, names: Sequence[Any], *, rows: int = 5000) -> list[Any]:
    """Apply a function to the column of a data frame. Arguments and result: as in `apply_bag`."""
    table = pandas.DataFrame({"name": pandas.Series(names, dtype=object)})
    frame = dask.dataframe.from_pandas(table, chunksize=rows)
    labels = frame.map_partitions(_series, function, meta=("label", object))
    return list(labels.compute())


def _series(table: pandas.DataFrame, function: Function) -> pandas.Series:
    return pandas.Series(function(table["name"]), table.index, dtype=object, name="label")
