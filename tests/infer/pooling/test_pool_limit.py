"""A pool with a limit: who waits, who is refused, and what frees a row."""

import asyncio
import contextlib
import gc
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from rnn_infer import CharLM, OptionError, PoolFullError, StreamPool


def test_limit_is_a_clear_error(lm: CharLM) -> None:
    pool = lm.pool(limit=2)
    assert pool.limit == 2
    one, _ = pool.open("a", seed=1), pool.open("a", seed=2)
    with pytest.raises(PoolFullError, match="2 open streams, its limit"):
        pool.open("a", seed=3)
    assert len(pool) == 2
    one.close()
    one.close()  # it frees one row, not two
    pool.open("a", seed=3)
    with pytest.raises(PoolFullError):
        pool.open("a", seed=4)
    pool.close()
    assert [pool.open("the", seed=i).draw(5) for i in (0, 1)] == lm.generate(
        ["the"] * 2, length=5, seed=0
    )


def test_bad_options_take_no_place(lm: CharLM) -> None:
    pool = lm.pool(limit=1)
    bad: dict[str, Any]
    for bad in ({"seed": -1}, {"seed": 1, "top_p": 2.0}, {"seed": 1, "timeout": -1}):
        with pytest.raises(OptionError):
            pool.open("a", **bad)
    pool.open("a", seed=1)
    with pytest.raises(OptionError, match="limit"):
        lm.pool(limit=0)


def test_open_waits_for_a_row(lm: CharLM) -> None:
    pool = lm.pool(limit=1)
    first = pool.open("the", seed=1)
    threading.Timer(0.05, first.close).start()
    started = time.monotonic()
    assert pool.open("the", seed=2, timeout=20).draw(9) == lm.generate("the", length=9, seed=2)
    assert 0.04 < time.monotonic() - started < 20
    with pytest.raises(PoolFullError, match="none became free in"):
        pool.open("the", seed=3, timeout=0.01)


def test_threads_take_turns(lm: CharLM) -> None:
    pool, most = lm.pool(limit=3), []
    expected = lm.generate(["the"] * 20, length=40, seed=0)
    found: dict[int, str] = {}

    def work(seed: int) -> None:
        pieces = []
        for piece in pool.stream("the", seed=seed, length=40, timeout=None):
            most.append(len(pool))
            pieces.append(piece)
        found[seed] = "".join(pieces)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(20)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(timeout=30)
    assert [found[seed] for seed in range(20)] == expected
    assert max(most) <= 3
    assert len(pool) == 0


def test_tasks_take_turns(lm: CharLM) -> None:
    expected = lm.generate(["the"] * 20, length=40, seed=0)

    async def client(pool: StreamPool, seed: int) -> str:
        if seed % 2:
            with await pool.aopen("the", seed=seed, timeout=None) as stream:
                assert len(pool) <= 3
                return await stream.adraw(40)
        pieces = pool.astream("the", seed=seed, length=40, timeout=30)
        return "".join([piece async for piece in pieces])

    async def main() -> list[str]:
        with lm.pool(limit=3) as pool:
            return await asyncio.gather(*(client(pool, seed) for seed in range(20)))

    assert asyncio.run(main()) == expected


def test_refused_tasks(lm: CharLM) -> None:
    async def main() -> None:
        with lm.pool(limit=1) as pool:
            pool.open("the", seed=1)
            with pytest.raises(PoolFullError):
                await pool.aopen("the", seed=2)
            with pytest.raises(PoolFullError, match=r"0\.01 s"):
                await pool.aopen("the", seed=2, timeout=0.01)
            with pytest.raises(PoolFullError):
                await anext(pool.astream("the", seed=2))
            with pytest.raises(PoolFullError):
                next(pool.stream("the", seed=2))
            assert len(pool) == 1

    asyncio.run(main())


def test_closed_pool_refuses_those_that_wait(lm: CharLM) -> None:
    async def main() -> None:
        pool = lm.pool(limit=1)
        pool.open("the", seed=1)
        waiting = asyncio.create_task(pool.aopen("the", seed=2, timeout=None))
        await asyncio.sleep(0.01)
        pool.close()
        with pytest.raises(OptionError, match="pool was closed"):
            await waiting
        assert len(pool) == 0
        pool.open("the", seed=3)

    asyncio.run(main())


# --- what frees a row -----------------------------------------------------------------


async def cancelled(task: "asyncio.Task[Any]") -> None:
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def endless(pool: StreamPool) -> None:
    async for _ in pool.astream("the", seed=1, length=10**9):
        pass


async def long_draw(pool: StreamPool) -> None:
    with await pool.aopen("the", seed=1) as stream:
        await stream.adraw(10**8)


@pytest.mark.parametrize("work", [endless, long_draw])
def test_cancelled_request_frees_its_row(lm: CharLM, work: Callable[[StreamPool], Any]) -> None:
    async def main() -> str:
        with lm.pool(limit=1) as pool:
            for _ in range(3):
                await cancelled(asyncio.create_task(work(pool)))
                assert len(pool) == 0
            with await pool.aopen("the", seed=3) as stream:
                return await stream.adraw(30)

    assert asyncio.run(main()) == lm.generate("the", length=30, seed=3)


def test_cancelled_wait_holds_nothing(lm: CharLM) -> None:
    async def main() -> None:
        with lm.pool(limit=1) as pool:
            first = pool.open("the", seed=1)
            await cancelled(asyncio.create_task(pool.aopen("the", seed=2, timeout=None)))
            await cancelled(asyncio.create_task(endless_wait(pool)))
            first.close()
            pool.open("the", seed=4)

    async def endless_wait(pool: StreamPool) -> None:
        async for _ in pool.astream("the", seed=1, timeout=None):
            pass

    asyncio.run(main())


def test_dropped_iterator_frees_its_row(lm: CharLM) -> None:
    pool = lm.pool(limit=1)
    for seed in range(3):
        pieces = pool.stream("the", seed=seed, length=1000)
        next(pieces)
        assert len(pool) == 1
        del pieces
        gc.collect()
        assert len(pool) == 0

    async def main() -> None:
        for seed in range(3):
            async for _ in pool.astream("the", seed=seed, length=1000):
                break
            gc.collect()
            await asyncio.sleep(0.01)  # the event loop closes it
            assert len(pool) == 0

    asyncio.run(main())


def test_closed_stream_frees_its_row_for_one_that_waits(lm: CharLM) -> None:
    async def main() -> str:
        with lm.pool(limit=1) as pool:
            stream = pool.open("the", seed=1)
            draw = asyncio.create_task(stream.adraw(10**8))
            waiting = asyncio.create_task(pool.aopen("the", seed=2, timeout=20))
            await asyncio.sleep(0.01)
            stream.close()
            with pytest.raises(OptionError, match="closed"):
                await draw
            with await waiting as other:
                return await other.adraw(20)

    assert asyncio.run(main()) == lm.generate("the", length=20, seed=2)


def test_failed_stream_frees_its_row(lm: CharLM, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = lm.pool(limit=1)
    with monkeypatch.context() as patch:
        patch.setattr(pool._stepper, "draw", lambda *_: (_ for _ in ()).throw(MemoryError))
        with contextlib.suppress(MemoryError):
            list(pool.stream("the", seed=1))
    assert len(pool) == 0
    assert "".join(pool.stream("the", seed=1, length=9)) == lm.generate("the", length=9, seed=1)
