"""Places: a limit, turns in order, and no place is lost or given twice."""

import asyncio
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from rnn_infer import OptionError, PoolFullError
from rnn_infer.pooling.places import Places, check_timeout


def wait_for(places: Places, count: int) -> None:
    """Return when so many wait for a place."""
    deadline = time.monotonic() + 20
    while len(places._waiting) < count:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def free(places: Places) -> int:
    """Take all places at once, and return how many there were."""
    count = 0
    while True:
        try:
            places.take(0)
        except PoolFullError:
            return count
        count += 1


def test_no_limit() -> None:
    places = Places(None)
    for _ in range(1000):
        places.take(0)


def test_full_is_an_error_at_once() -> None:
    places = Places(2)
    places.take(0)
    places.take(0)
    with pytest.raises(PoolFullError, match="has 2 open streams, its limit; close one") as caught:
        places.take(0)
    assert isinstance(caught.value, TimeoutError)
    places.give_back()
    places.take(0)


def test_wait_ends_with_an_error() -> None:
    places = Places(1)
    places.take(0)
    started = time.monotonic()
    with pytest.raises(PoolFullError, match=r"none became free in 0\.05 s"):
        places.take(0.05)
    assert time.monotonic() - started >= 0.05
    with pytest.raises(PoolFullError, match=r"none became free in 0\.05 s"):
        asyncio.run(places.atake(0.05))
    assert not places._waiting, "they do not stay in the line until a place is free"
    places.give_back()
    assert free(places) == 1


def test_places_go_to_whoever_waited_longest() -> None:
    places, order = Places(1), []
    places.take(0)

    def work(number: int) -> None:
        places.take(None)
        order.append(number)
        places.give_back()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for number, thread in enumerate(threads):
        thread.start()
        wait_for(places, number + 1)
    with pytest.raises(PoolFullError):
        places.take(0)  # nobody steps in between
    places.give_back()
    for thread in threads:
        thread.join(timeout=20)
    assert order == list(range(6))
    assert free(places) == 1


def test_threads_and_tasks_wait_in_one_line() -> None:
    places, order = Places(1), []

    async def task(number: int) -> None:
        await places.atake(30)
        order.append(number)
        places.give_back()

    def work(number: int) -> None:
        places.take(30)
        order.append(number)
        places.give_back()

    async def main() -> None:
        places.take(0)
        waiting: list[Any] = []
        with ThreadPoolExecutor(3) as threads:
            for number in range(6):
                if number % 2:
                    waiting.append(asyncio.create_task(task(number)))
                else:
                    waiting.append(asyncio.wrap_future(threads.submit(work, number)))
                while len(places._waiting) <= number:
                    await asyncio.sleep(0.001)
            places.give_back()
            await asyncio.gather(*waiting)

    asyncio.run(main())
    assert sorted(order) == list(range(6))
    assert free(places) == 1


def test_cancelled_task_loses_its_turn_only() -> None:
    async def main() -> None:
        places = Places(1)
        places.take(0)
        first, second = (asyncio.create_task(places.atake(None)) for _ in range(2))
        await asyncio.sleep(0.01)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        places.give_back()
        await second
        with pytest.raises(PoolFullError):
            places.take(0)

    asyncio.run(main())


def test_place_that_comes_as_the_task_is_cancelled_is_given_back() -> None:
    async def main() -> None:
        places = Places(1)
        places.take(0)
        task = asyncio.create_task(places.atake(None))
        await asyncio.sleep(0.01)
        places.give_back()  # the task has it, and does not know yet
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert free(places) == 1

    asyncio.run(main())


def test_no_place_is_lost_or_given_twice() -> None:
    """Many threads with timeouts that race with the places that come."""
    places, held, most = Places(3), [0], [0]
    lock = threading.Lock()

    def work(number: int) -> int:
        got = 0
        for turn in range(60):
            try:
                places.take((number * turn % 5) * 0.0004)
            except PoolFullError:
                continue
            with lock:
                held[0] += 1
                most[0] = max(most[0], held[0])
            time.sleep(0.0003)
            with lock:
                held[0] -= 1
            got += 1
            places.give_back()
        return got

    with ThreadPoolExecutor(12) as threads:
        assert sum(threads.map(work, range(12))) > 3
    assert most[0] <= 3
    assert free(places) == 3


def test_closed_pool_sends_away_those_that_wait() -> None:
    places = Places(1)
    places.take(0)

    async def main() -> list[Any]:
        waiting = [places.atake(None), asyncio.to_thread(places.take, 30)]
        tasks = [asyncio.ensure_future(each) for each in waiting]
        while len(places._waiting) < 2:
            await asyncio.sleep(0.001)
        places.refuse()
        return await asyncio.gather(*tasks, return_exceptions=True)

    found = asyncio.run(main())
    assert all(isinstance(each, OptionError) and "closed" in str(each) for each in found)
    places.give_back()
    assert free(places) == 1


@pytest.mark.parametrize("bad", [0, -1, 1.5, True, "2"])
def test_bad_limit(bad: Any) -> None:
    with pytest.raises(OptionError, match="limit must be 1 or more"):
        Places(bad)


@pytest.mark.parametrize("bad", [-1, math.nan, "1", True])
def test_bad_timeout(bad: Any) -> None:
    with pytest.raises(OptionError, match="timeout must be seconds"):
        check_timeout(bad)


def test_timeout_as_the_system_can_wait() -> None:
    assert check_timeout(None) is None
    assert check_timeout(2) == 2.0
    assert check_timeout(math.inf) == threading.TIMEOUT_MAX
