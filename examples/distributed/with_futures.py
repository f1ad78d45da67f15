"""Label a column in the processes of `concurrent.futures`. It needs no further package."""

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from examples.distributed.column import Function, parts

TRIES = 3


def apply(
    function: Function, names: Sequence[Any], *, workers: int = 2, rows: int = 5000
) -> list[Any]:
    """Apply a function to a column in processes.

    If a worker is killed, the executor is broken and fails all parts that it still has. Only these
    are done again, by a new executor.

    Args:
        function: from a column to a column.
        names: the column.
        workers: processes.
        rows: of a part.

    Returns:
        The column of results, in the order of `names`.
    """
    given = parts(names, rows)
    done: dict[int, Any] = {}
    for attempt in range(TRIES):
        left = [i for i in range(len(given)) if i not in done]
        # Processes that are forked from one with threads may hang.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context) as executor:
            futures = {executor.submit(function, given[i]): i for i in left}
            try:
                for future in as_completed(futures):
                    done[futures[future]] = future.result()
                break
            except BrokenProcessPool:
                if attempt == TRIES - 1:
                    raise
    return [label for i in range(len(given)) for label in done[i]]
