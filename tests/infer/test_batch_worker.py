"""The worker: calls of one turn of the event loop are one batch, and nothing is left behind."""

import asyncio
import gc
import os
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from rnn_infer.batch_worker import BatchWorker, Call


def threads() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "rnn_infer batches"]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = threads()
    yield
    deadline = time.monotonic() + 10
    while set(threads()) - set(before) and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.01)
    assert set(threads()) <= set(before)


class Squares:
    """Answers with squares, and notes the batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    def __call__(self, calls: Sequence[Call[int]]) -> None:
        self.batches.append([call.request for call in calls])
        for call in calls:
            if call.request < 0:
                call.fail(ValueError(f"{call.request} is negative"))
            else:
                call.finish(call.request**2)


def test_calls_of_one_turn_are_one_batch() -> None:
    answer = Squares()

    async def main() -> list[Any]:
        worker = BatchWorker(answer)
        return await asyncio.gather(*(worker.ask(number) for number in range(50)))

    assert asyncio.run(main()) == [number**2 for number in range(50)]
    assert answer.batches == [list(range(50))]


def test_calls_that_come_meanwhile_are_the_next_batch() -> None:
    busy, go_on = threading.Event(), threading.Event()
    squares = Squares()

    def slow(calls: Sequence[Call[int]]) -> None:
        squares(calls)
        busy.set()
        go_on.wait(10)

    async def main() -> list[Any]:
        worker = BatchWorker(slow)
        first = worker.ask(1)
        while not busy.is_set():
            await asyncio.sleep(0)
        others = []
        for number in (2, 3, 4):  # each in a turn of its own
            others.append(worker.ask(number))
            await asyncio.sleep(0)
        go_on.set()
        return await asyncio.gather(first, *others)

    assert asyncio.run(main()) == [1, 4, 9, 16]
    assert squares.batches == [[1], [2, 3, 4]]


def test_calls_that_are_not_finished_stay_in_the_batch() -> None:
    sizes = []

    def one_each_time(calls: Sequence[Call[int]]) -> None:
        sizes.append(len(calls))
        calls[0].finish(calls[0].request)

    async def main() -> list[Any]:
        worker = BatchWorker(one_each_time)
        return await asyncio.gather(*(worker.ask(number) for number in range(4)))

    assert asyncio.run(main()) == [0, 1, 2, 3]
    assert sizes == [4, 3, 2, 1]


def test_error_of_one_call() -> None:
    async def main() -> list[Any]:
        worker = BatchWorker(Squares())
        return await asyncio.gather(*map(worker.ask, (1, -2, 3)), return_exceptions=True)

    one, error, nine = asyncio.run(main())
    assert (one, nine) == (1, 9)
    assert isinstance(error, ValueError)


def test_error_of_a_batch_is_the_error_of_its_calls() -> None:
    squares, broken = Squares(), [True]

    def answer(calls: Sequence[Call[int]]) -> None:
        if broken.pop():
            broken.append(False)
            raise MemoryError
        broken.append(False)
        squares(calls)

    async def main() -> tuple[list[Any], int]:
        worker = BatchWorker(answer)
        failed = await asyncio.gather(*map(worker.ask, (1, 2)), return_exceptions=True)
        return failed, await worker.ask(3)

    failed, nine = asyncio.run(main())
    assert [type(each) for each in failed] == [MemoryError, MemoryError]
    assert nine == 9  # the worker goes on


def test_cancelled_call_is_seen_and_does_not_disturb() -> None:
    seen: list[bool] = []

    def answer(calls: Sequence[Call[int]]) -> None:
        time.sleep(0.02)
        seen.extend(call.cancelled for call in calls)
        for call in calls:
            call.finish(call.request)

    async def main() -> int:
        worker = BatchWorker(answer)
        lost, kept = worker.ask(1), worker.ask(2)
        await asyncio.sleep(0)
        lost.cancel()
        found: int = await kept
        assert lost.cancelled()
        return found

    assert asyncio.run(main()) == 2
    assert seen == [True, False]


def test_several_event_loops() -> None:
    worker = BatchWorker(Squares())

    async def ask(number: int) -> int:
        found: int = await worker.ask(number)
        return found

    found: dict[int, int] = {}

    def work(number: int) -> None:
        for _ in range(20):
            found[number] = asyncio.run(ask(number))

    running = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for each in running:
        each.start()
    for each in running:
        each.join(timeout=30)
    assert found == {number: number**2 for number in range(4)}
    worker.close()


def test_loop_that_ended_before_the_calls_were_sent() -> None:
    answer = Squares()
    worker = BatchWorker(answer)

    async def leave() -> None:
        worker.ask(1)

    asyncio.run(leave())

    async def main() -> int:
        found: int = await worker.ask(2)
        return found

    assert asyncio.run(main()) == 4
    worker.close()


def test_thread_ends_with_close_and_starts_again() -> None:
    worker = BatchWorker(Squares())

    async def main() -> int:
        found: int = await worker.ask(3)
        return found

    before = set(threads())
    assert asyncio.run(main()) == 9
    (thread,) = set(threads()) - before
    worker.close()
    thread.join(timeout=10)
    assert not thread.is_alive()
    assert asyncio.run(main()) == 9
    worker.close()


def test_close_answers_the_calls_that_wait() -> None:
    async def main() -> list[Any]:
        worker = BatchWorker(Squares())
        calls = [worker.ask(number) for number in range(3)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        worker.close()
        return await asyncio.gather(*calls)

    assert asyncio.run(main()) == [0, 1, 4]


def test_thread_ends_when_the_worker_is_collected() -> None:
    async def main() -> int:
        found: int = await BatchWorker(Squares()).ask(3)
        return found

    for _ in range(20):
        assert asyncio.run(main()) == 9
    # `no_thread_is_left` checks the rest.


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_forked_child_starts_a_thread_of_its_own() -> None:
    worker = BatchWorker(Squares())

    async def ask(number: int) -> int:
        found: int = await asyncio.wait_for(worker.ask(number), 20)
        return found

    assert asyncio.run(ask(2)) == 4
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if asyncio.run(ask(3)) == 9 else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    worker.close()


def test_asking_needs_an_event_loop() -> None:
    worker: BatchWorker[int] = BatchWorker(Squares())
    with pytest.raises(RuntimeError, match="no running event loop"):
        worker.ask(1)


def test_callers_that_ask_again_join_the_calls_that_came_meanwhile() -> None:
    """Otherwise two groups of callers would take turns, each in batches of half the size."""
    sizes: list[int] = []

    def slow(calls: Sequence[Call[int]]) -> None:
        sizes.append(len(calls))
        time.sleep(0.01)
        for call in calls:
            call.finish(call.request)

    async def main() -> None:
        worker = BatchWorker(slow)

        async def caller(start: float) -> None:
            await asyncio.sleep(start)
            for number in range(12):
                await worker.ask(number)

        await asyncio.gather(*(caller(0.005 * (number // 4)) for number in range(8)))
        worker.close()

    asyncio.run(main())
    assert sizes.count(8) >= 8
