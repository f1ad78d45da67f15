"""Label a column with Spark: a pandas UDF. It needs Java 17 or newer.

Spark in local mode gives a task only one try: `local[2]` fails if a worker is lost. `local[2,4]`
gives four.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import pandas
from pyspark.sql import SparkSession
from pyspark.sql.functions import pandas_udf

from examples.distributed.column import Function


def session(master: str = "local[2,4]", rows: int = 5000) -> SparkSession:
    """Start Spark on this machine.

    Args:
        master: two threads, and four tries of a task.
        rows: that a worker gets in one batch.
    """
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # not the first python3 of PATH
    return (
        SparkSession.builder.master(master)
        .config("spark.ui.enabled", "false")
        .config("spark.sql.execution.arrow.pyspark.enabled", "true")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", str(rows))
        .getOrCreate()
    )


def apply(function: Function, names: Sequence[Any], spark: SparkSession) -> list[Any]:
    """Apply a function to a column in Spark's Python workers.

    Args:
        function: from a column to a column.
        names: the column.
        spark: a session.

    Returns:
        The column of results, in the order of `names`. A table of Spark has no order of its own,
        so the rows carry their number.
    """

    @pandas_udf("string")  # type: ignore[untyped-decorator, unused-ignore]
    def label(batches: Iterator[pandas.Series]) -> Iterator[pandas.Series]:
        for batch in batches:
            yield pandas.Series(function(batch), dtype=object)

    table = pandas.DataFrame({"row": range(len(names)), "name": pandas.Series(names, dtype=object)})
    found = spark.createDataFrame(table, "row long, name string").select("row", label("name"))
    result = found.toPandas().sort_values("row").iloc[:, 1].astype(object)
    return list(result.where(result.notna(), None))
