"""Label a column in the processes of joblib."""

from collections.abc import Sequence
from typing import Any

from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError

from examples.distributed.column import Function, parts

TRIES = 3


def apply(
    function: Function, names: Sequence[Any], *, workers: int = 2, rows: int = 5000
) -> list[Any]:
    """Apply a function to a column in processes.

    If a worker is killed, the call fails. The results that have come are kept, and a new call does
    the rest.

    Args:
        function: from a column to a column.
        names: the column.
        workers: processes.
        rows: of a part.

    Returns:
        The column of results, in the order of `names`.
    """
    given = parts(names, rows)
    done: list[Any] = []
    for attempt in range(TRIES):
        tasks = (delayed(function)(part) for part in given[len(done) :])
        try:
            for result in Parallel(workers, return_as="generator")(tasks):
                done.append(result)
            break
        except TerminatedWorkerError:
            if attempt == TRIES - 1:
                raise
    return [label for result in done for label in result]
