"""The places of a pool: how many streams may be open, and who waits for a free place."""

import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from rnn_infer.errors import OptionError, PoolFullError
from rnn_infer.sampling import is_integer, is_number

if TYPE_CHECKING:
    from concurrent.futures import Future  # imported late, because few programs need it


class Places:
    """Places that streams take and give back. Any number of threads and tasks may wait for one.

    A place that is given back goes to whoever has waited longest. Nobody can step in between.

    Args:
        limit: number of places. None: there is always one.

    Raises:
        OptionError: `limit` is not an integer of 1 or more.
    """

    def __init__(self, limit: int | None) -> None:
        if limit is not None and (not is_integer(limit) or limit < 1):
            raise OptionError(f"limit must be 1 or more, or None for no limit, got {limit!r:.60}")
        self.limit = limit
        self._taken = 0
        self._waiting: deque[Future[None]] = deque()
        # Collecting garbage may close a stream while this thread holds the lock.
        self._lock = threading.RLock()

    def take(self, timeout: float | None) -> None:
        """Take a place, and wait for one if need be.

        Args:
            timeout: seconds to wait at most. 0: none. None: as long as it takes.

        Raises:
            PoolFullError: no place became free in this time.
            OptionError: the pool was closed meanwhile, or `timeout` is out of range.
        """
        seconds = check_timeout(timeout)
        waiter = self._join(timeout)
        if waiter is None:
            return
        try:
            waiter.result(seconds)
        except TimeoutError:
            if self._cancel(waiter):
                raise self._full(timeout) from None
            waiter.result()  # the place, or the end of the pool, came in the last moment
        except BaseException:  # Ctrl-C
            self._leave(waiter)
            raise

    async def atake(self, timeout: float | None) -> None:
        """Take a place in a coroutine. Arguments and errors: as in `take`."""
        seconds = check_timeout(timeout)
        waiter = self._join(timeout)
        if waiter is None:
            return None
        import asyncio

        done = asyncio.wrap_future(waiter)
        try:
            await asyncio.wait([done], timeout=seconds)
            if not self._cancel(waiter):
                return await done
        except BaseException:  # the task was cancelled, or the pool closed
            self._leave(waiter)
            raise
        raise self._full(timeout)

    def give_back(self) -> None:
        """Give a place back. The first that waits has it then."""
        with self._lock:
            while self._waiting:
                waiter = self._waiting.popleft()
                if waiter.set_running_or_notify_cancel():
                    waiter.set_result(None)
                    return
            self._taken -= 1

    def refuse(self) -> None:
        """Send all away that wait, because the pool is closed."""
        with self._lock:
            waiting, self._waiting = self._waiting, deque()
        for waiter in waiting:
            if waiter.set_running_or_notify_cancel():
                waiter.set_exception(
                    OptionError("the pool was closed while this waited for a place; open a new one")
                )

    def _join(self, timeout: float | None) -> "Future[None] | None":
        """Take a free place and return None, or join those that wait."""
        with self._lock:
            if self.limit is None or self._taken < self.limit:
                self._taken += 1
                return None
            if timeout == 0:
                raise self._full(timeout)
            from concurrent.futures import Future

            waiter: Future[None] = Future()
            self._waiting.append(waiter)
            return waiter

    def _leave(self, waiter: "Future[None]") -> None:
        """Wait no longer. A place that came in the last moment is given back."""
        if not self._cancel(waiter) and waiter.exception() is None:
            self.give_back()

    def _cancel(self, waiter: "Future[None]") -> bool:
        """Take a waiter out of the line. Return whether it had not got its place yet."""
        if not waiter.cancel():
            return False
        with self._lock, suppress(ValueError):  # otherwise it would stay until its turn
            self._waiting.remove(waiter)
        return True

    def _full(self, timeout: float | None) -> PoolFullError:
        meanwhile = f", and none became free in {timeout:g} s" if timeout else ""
        return PoolFullError(
            f"the pool has {self.limit} open streams, its limit{meanwhile}; close one, wait longer "
            "(timeout=), or make a pool with a higher limit"
        )


def check_timeout(timeout: float | None) -> float | None:
    """Return a number of seconds as the system can wait, or None.

    Raises:
        OptionError: it is neither a number of 0 or more nor None.
    """
    if timeout is not None and not (is_number(timeout) and timeout >= 0):
        raise OptionError(
            f"timeout must be seconds, 0 or more, or None to wait on, got {timeout!r:.60}"
        )
    return None if timeout is None else min(float(timeout), threading.TIMEOUT_MAX)
