"""The threads that compute a tick, each a share of the streams."""

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from rnn_infer.errors import OptionError
from rnn_infer.sampling import is_integer

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future  # imported late, because few programs need it

Item = TypeVar("Item")
LEAST_SHARE = 4
"""Streams of a share at least. A smaller one is not worth a thread: a step has a fixed cost."""


class Crew:
    """Threads that share out a batch. The rows of a batch are independent, so no text changes.

    Args:
        threads: number of threads, with the one that asks.

    Raises:
        OptionError: `threads` is not an integer of 1 or more.
    """

    def __init__(self, threads: int) -> None:
        if not is_integer(threads) or threads < 1:
            raise OptionError(f"threads must be 1 or more, got {threads!r:.60}")
        self._threads = int(threads)
        self._executor: Executor | None = None
        self._process = os.getpid()

    def shares(self, items: Sequence[Item]) -> list[Sequence[Item]]:
        """Deal out items, one share for each thread that is worth it."""
        count = max(1, min(self._threads, len(items) // LEAST_SHARE))
        return [items[begin::count] for begin in range(count)]

    def run(self, works: Sequence[Callable[[], object]]) -> None:
        """Do all works at once, and return when all are done. Raise the first of their errors."""
        first, *others = works
        running = [self._submit(work) for work in others]
        try:
            first()
        finally:
            errors = [each.exception() for each in running]
        for error in errors:
            if error is not None:
                raise error

    def close(self) -> None:
        """End the threads when they are done. A later `run` starts new ones."""
        executor, self._executor = self._executor, None
        if executor is not None and os.getpid() == self._process:
            executor.shutdown(wait=False)

    def _submit(self, work: Callable[[], object]) -> "Future[None]":
        from concurrent.futures import Future

        done: Future[None] = Future()
        try:
            self._workers().submit(_do, work, done)
        except RuntimeError:  # no thread can be started; or Python ends, or the pool was closed
            # The executor may have the work all the same. It is done here if nobody has begun it.
            if done.cancel():
                done = Future()
                _do(work, done)
        return done

    def _workers(self) -> "Executor":
        from concurrent.futures import ThreadPoolExecutor

        executor = self._executor
        if executor is None or os.getpid() != self._process:  # a forked child has no threads
            executor = ThreadPoolExecutor(self._threads - 1, "rnn_infer tick")
            self._executor, self._process = executor, os.getpid()
        return executor


def _do(work: Callable[[], object], done: "Future[None]") -> None:
    """Do a work that was not cancelled, and note its end."""
    if not done.set_running_or_notify_cancel():
        return
    try:
        work()
    except BaseException as error:
        done.set_exception(error)
    else:
        done.set_result(None)
