"""A thread that answers the calls of coroutines in batches.

An event loop must not compute, and a thread per call would compute one call at a time. Here the
calls of one turn of the event loop go to one thread together. It also takes the calls that came
while it was busy.
"""

import atexit
import queue
import threading
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    import asyncio  # imported late, because few programs need it

Request = TypeVar("Request")
_TURNS = 3
"""Turns of an event loop until a caller that has its answer has asked again: its future wakes it,
it runs, and the calls of that turn are sent."""
_PAUSE = 0.002
"""Seconds that the thread waits for these turns at most."""


class Call(Generic[Request]):
    """One call of a coroutine, and its outcome."""

    def __init__(self, request: Request, future: "asyncio.Future[Any]") -> None:
        self.request = request
        self.future = future
        self.done = False
        self._value: Any = None
        self._error: BaseException | None = None

    @property
    def cancelled(self) -> bool:
        """Whether the caller waits no longer."""
        return self.future.cancelled()

    def finish(self, value: Any = None) -> None:
        """Give the result. The worker delivers it."""
        self._value, self.done = value, True

    def fail(self, error: BaseException) -> None:
        """Give an error. The worker delivers it."""
        self._error, self.done = error, True

    def deliver(self) -> None:
        """Hand the outcome to the caller, in the thread of the event loop."""
        if self.future.done():  # it was cancelled
            return
        if self._error is None:
            self.future.set_result(self._value)
        else:
            self.future.set_exception(self._error)


class BatchWorker(Generic[Request]):
    """Collects calls, and has a thread answer them together.

    The thread starts with the first call. It ends with `close`, or when the worker is collected.
    Several event loops may use one worker.

    Args:
        answer: called in the thread with all calls that wait. It must finish or fail at least one
            of them, or sleep. The others are in the next batch again. An error that it raises is
            the error of all of them. It must not refer to the owner of the worker.
    """

    def __init__(self, answer: Callable[[Sequence[Call[Request]]], None]) -> None:
        self._answer = answer
        self._collected = _Collected()
        self._starting = threading.Lock()
        self._inbox: queue.SimpleQueue[list[Call[Request]] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def ask(self, request: Request) -> "asyncio.Future[Any]":
        """Add a call in a running event loop.

        Returns:
            A future of the result. It may be cancelled.
        """
        import asyncio

        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        if self._collected.loop is not loop:  # the first call in this turn of the loop
            self._collected.loop, self._collected.calls = loop, []
            loop.call_soon(self._send)
        self._collected.calls.append(Call(request, future))
        return future

    def close(self) -> None:
        """End the thread when the last call is answered. A later call starts a new one."""
        with self._starting:
            self._inbox.put(None)
            self._thread = None

    def _send(self) -> None:
        """Send what was collected in this turn of the event loop."""
        calls = self._collected.calls
        self._collected.loop, self._collected.calls = None, []
        with self._starting:
            # In a forked child the thread is no longer alive.
            if self._thread is None or not self._thread.is_alive():
                self._start()
            self._inbox.put(calls)

    def _start(self) -> None:
        self._inbox = queue.SimpleQueue()
        # The thread must not hold the worker, so that both can end.
        self._thread = threading.Thread(
            target=_work, args=(self._inbox, self._answer), name="rnn_infer batches", daemon=True
        )
        _RUNNING[self._thread] = self._inbox
        self._thread.start()
        weakref.finalize(self, self._inbox.put, None)


_RUNNING: weakref.WeakKeyDictionary[threading.Thread, Any] = weakref.WeakKeyDictionary()
"""The threads and their inboxes."""
_EXITING = threading.Event()


@atexit.register
def _end_threads() -> None:
    """End all threads after their batch. A thread that computes while Python ends may crash."""
    _EXITING.set()
    for thread, inbox in list(_RUNNING.items()):
        inbox.put(None)
        thread.join()


class _Collected(threading.local):
    """The calls of this turn of the event loop that runs in this thread."""

    loop: Any = None
    calls: list[Call[Any]] = []  # noqa: RUF012  (replaced before use)


def _work(inbox: Any, answer: Callable[[Sequence[Call[Any]]], None]) -> None:
    """Answer batches until None comes and no call waits."""
    waiting: list[Call[Any]] = []
    ending = False
    while (waiting or not ending) and not _EXITING.is_set():
        ending = _receive(inbox, waiting) or ending
        if not waiting:
            continue
        try:
            answer(waiting)
        except BaseException as error:
            for call in waiting:
                call.fail(error)
            del call
        _deliver([call for call in waiting if call.done])
        waiting = [call for call in waiting if not call.done]


def _receive(inbox: Any, waiting: list[Call[Any]]) -> bool:
    """Add what has come to `waiting`. Sleep if nothing waits. Return whether None came."""
    ending = False
    with suppress(queue.Empty):
        calls = inbox.get(block=not waiting)
        while True:
            if calls is None:
                ending = True
            else:
                waiting += calls
            calls = inbox.get(block=False)
    return ending


def _deliver(calls: list[Call[Any]]) -> None:
    """Wake the event loops of the callers, each once, and let them ask again.

    A caller that has its answer often has the next question. Without a pause, the calls that came
    meanwhile would be a batch of their own, and the callers two groups that wait for each other.
    """
    loops: dict[Any, list[Call[Any]]] = {}
    for call in calls:
        loops.setdefault(call.future.get_loop(), []).append(call)
    turned = [threading.Event() for _ in loops]
    for (loop, own), event in zip(loops.items(), turned, strict=True):
        try:
            loop.call_soon_threadsafe(_deliver_in_loop, own, loop, event)
        except RuntimeError:  # the loop was closed: nobody waits
            event.set()
    for event in turned:
        event.wait(_PAUSE)


def _deliver_in_loop(calls: list[Call[Any]], loop: Any, event: threading.Event) -> None:
    for call in calls:
        call.deliver()
    _after_turns(_TURNS, loop, event)


def _after_turns(turns: int, loop: Any, event: threading.Event) -> None:
    """Set an event after some turns of an event loop."""
    if turns:
        loop.call_soon(_after_turns, turns - 1, loop, event)
    else:
        event.set()
