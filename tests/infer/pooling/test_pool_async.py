"""Coroutines and a pool: shared batches, the same text as alone, cancellation, stop texts."""

import asyncio
import contextlib
import gc
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rnn_infer import CharLM, OptionError, StreamPool, UnknownCharacterError

CLIENTS, LENGTH = 12, 100


async def joined(pieces: AsyncIterator[str]) -> str:
    return "".join([piece async for piece in pieces])


@pytest.fixture
def sizes(lm: CharLM, monkeypatch: pytest.MonkeyPatch) -> Counter[int]:
    """How many batches of each size the model of `lm` draws."""
    found: Counter[int] = Counter()
    draw = lm._stepper.draw

    def watched(tokens: Any, *rest: Any) -> Any:
        found[len(tokens)] += 1
        return draw(tokens, *rest)

    monkeypatch.setattr(lm._stepper, "draw", watched)
    return found


def expected(lm: CharLM, length: int = LENGTH) -> list[str]:
    return lm.generate(["the"] * CLIENTS, length=length, seed=0)


def test_adraw_is_the_text_alone(lm: CharLM, sizes: Counter[int]) -> None:
    texts = expected(lm)
    sizes.clear()

    async def client(pool: StreamPool, seed: int) -> str:
        with pool.open("the", seed=seed) as stream:
            return "".join([await stream.adraw(20) for _ in range(LENGTH // 20)])

    async def main() -> list[str]:
        with lm.pool() as pool:
            found = await asyncio.gather(*(client(pool, seed) for seed in range(CLIENTS)))
            assert len(pool) == 0
            return found

    assert asyncio.run(main()) == texts
    assert sizes == {CLIENTS: 5}  # all clients in each batch


def test_astream_is_the_text_alone(lm: CharLM, sizes: Counter[int]) -> None:
    texts = expected(lm)
    sizes.clear()

    async def main() -> list[str]:
        with lm.pool() as pool:
            streams = [pool.astream("the", seed=seed, length=LENGTH) for seed in range(CLIENTS)]
            found = await asyncio.gather(*map(joined, streams))
            assert len(pool) == 0
            return found

    assert asyncio.run(main()) == texts
    assert sizes == {CLIENTS: 4}


def test_later_pieces_share_ticks(lm: CharLM, sizes: Counter[int]) -> None:
    """8 characters, then 16, then 32 at a time; the pieces stay small."""

    async def main() -> list[str]:
        return [piece async for piece in lm.pool().astream("the", seed=3, length=120, chunk=8)]

    assert [len(piece) for piece in asyncio.run(main())] == [8] * 15
    assert sizes == {1: 5}


def test_clients_that_come_one_after_another_share_ticks(lm: CharLM, sizes: Counter[int]) -> None:
    texts = expected(lm)
    sizes.clear()

    async def client(pool: StreamPool, seed: int) -> str:
        await asyncio.sleep(seed * 0.0003)
        return await joined(pool.astream("the", seed=seed, length=LENGTH, chunk=4 + seed))

    async def main() -> list[str]:
        with lm.pool() as pool:
            return await asyncio.gather(*(client(pool, seed) for seed in range(CLIENTS)))

    assert asyncio.run(main()) == texts


@pytest.mark.parametrize("chunk", [1, 7, 100, 1000])
def test_chunks_do_not_matter(lm: CharLM, chunk: int) -> None:
    whole = lm.generate("the", length=50, seed=1, temperature=0.5)

    async def main() -> list[str]:
        options: dict[str, Any] = {"length": 50, "seed": 1, "chunk": chunk, "temperature": 0.5}
        return [piece async for piece in lm.pool().astream("the", **options)]

    pieces = asyncio.run(main())
    assert "".join(pieces) == whole
    assert len(pieces) == -(-50 // chunk)
    assert (
        "".join(lm.pool().stream("the", seed=1, length=50, chunk=chunk, temperature=0.5)) == whole
    )


@pytest.mark.parametrize("at", [3, 31, 32, 40, 90])
def test_stop_text(lm: CharLM, at: int) -> None:
    free = lm.generate("the", length=200, seed=2)
    stop = free[at : at + 5]
    whole = lm.generate("the", length=200, seed=2, stop=stop)

    async def main() -> str:
        with lm.pool() as pool:
            text = await joined(pool.astream("the", seed=2, length=200, stop=stop))
            assert len(pool) == 0
            return text

    assert asyncio.run(main()) == whole
    assert whole == free[: free.index(stop)]
    with lm.pool() as pool:
        assert "".join(pool.stream("the", seed=2, length=200, stop=stop)) == whole
        assert len(pool) == 0


def test_end_that_could_have_been_a_stop_text(lm: CharLM) -> None:
    free = lm.generate("the", length=40, seed=2)
    pool = lm.pool()
    stop = free[-3:] + "\n" * 40
    assert asyncio.run(joined(pool.astream("the", seed=2, length=40, stop=stop))) == free
    assert "".join(pool.stream("the", seed=2, length=40, stop=stop)) == free


def test_no_length(lm: CharLM) -> None:
    pool = lm.pool()
    assert asyncio.run(joined(pool.astream("the", seed=2, length=0))) == ""
    assert "".join(pool.stream("the", seed=2, length=0)) == ""
    assert len(pool) == 0


# --- cancellation ---------------------------------------------------------------------


def test_cancelled_task_frees_its_row(lm: CharLM) -> None:
    async def endless(pool: StreamPool, seed: int) -> None:
        async for _ in pool.astream("the", seed=seed, length=10**9):
            pass

    async def main() -> str:
        with lm.pool() as pool:
            tasks = [asyncio.create_task(endless(pool, seed)) for seed in range(5)]
            await asyncio.sleep(0.05)
            assert len(pool) == 5
            for task in tasks:
                task.cancel()
            found = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(each, asyncio.CancelledError) for each in found)
            assert len(pool) == 0
            return await joined(pool.astream("the", seed=1, length=30))

    assert asyncio.run(main()) == lm.generate("the", length=30, seed=1)


def test_closed_iteration_frees_its_row(lm: CharLM) -> None:
    async def main() -> None:
        with lm.pool() as pool:
            async with contextlib.aclosing(pool.astream("the", seed=1)) as pieces:
                async for _ in pieces:
                    break
            assert len(pool) == 0
            unused = pool.astream("the", seed=1)
            assert len(pool) == 0  # it has no row before its first piece
            await unused.aclose()

    asyncio.run(main())


def test_timeout_loses_no_text(lm: CharLM) -> None:
    """What was drawn for a cancelled draw is returned by the next one."""
    whole = lm.generate("the", length=3000, seed=4)

    async def main() -> str:
        with lm.pool() as pool:
            stream = pool.open("the", seed=4)
            cancelled = 0
            for wait in (0, 0.001, 0.003, 0.01):
                try:
                    await asyncio.wait_for(stream.adraw(2000), wait)
                except TimeoutError:
                    cancelled += 1
            assert cancelled
            return await stream.adraw(1000)

    found = asyncio.run(main())
    assert found in whole
    if len(found) == 1000 and not whole.startswith(found):
        assert whole.index(found) % 2000 == 0  # a draw that was in time was not cancelled


def test_cancelled_draw_stops_computing(lm: CharLM, sizes: Counter[int]) -> None:
    async def main() -> None:
        with lm.pool() as pool:
            stream = pool.open("the", seed=4)
            task = asyncio.create_task(stream.adraw(10**7))
            await asyncio.sleep(0.05)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await asyncio.sleep(0.05)
            sizes.clear()
            await asyncio.sleep(0.05)
            assert not sizes

    asyncio.run(main())


# --- closed streams and errors --------------------------------------------------------


def test_stream_that_is_closed_while_it_draws(lm: CharLM) -> None:
    texts = expected(lm, 200)

    async def main() -> list[Any]:
        pool = lm.pool()
        streams = [pool.open("the", seed=seed) for seed in range(CLIENTS)]
        draws = [asyncio.ensure_future(each.adraw(200)) for each in streams]
        await asyncio.sleep(0.002)
        streams[3].close()
        found = await asyncio.gather(*draws, return_exceptions=True)
        pool.close()
        return found

    found = asyncio.run(main())
    assert isinstance(found[3], OptionError)
    assert "closed" in str(found[3])
    assert [text for i, text in enumerate(found) if i != 3] == [
        text for i, text in enumerate(texts) if i != 3
    ]


def test_closed_pool_fails_its_draws(lm: CharLM) -> None:
    async def main() -> None:
        pool = lm.pool()
        draw = asyncio.ensure_future(pool.open("the", seed=1).adraw(10**7))
        await asyncio.sleep(0.02)
        pool.close()
        with pytest.raises(OptionError, match="closed"):
            await draw

    asyncio.run(main())


def test_failed_tick_fails_its_draws_and_no_later_one(
    lm: CharLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> str:
        with lm.pool() as pool:
            streams = [pool.open("the", seed=seed) for seed in range(3)]
            with monkeypatch.context() as patch:
                patch.setattr(lm._stepper, "draw", lambda *_: (_ for _ in ()).throw(MemoryError))
                found = await asyncio.gather(
                    *(each.adraw(5) for each in streams), return_exceptions=True
                )
            assert [type(each) for each in found] == [MemoryError] * 3
            return await streams[1].adraw(9)

    assert asyncio.run(main()) == lm.generate("the", length=9, seed=1)


@pytest.mark.parametrize("name", ["stream", "astream"])
def test_bad_arguments_are_refused_at_once(lm: CharLM, name: str) -> None:
    draw: Callable[..., Any] = getattr(lm.pool(), name)
    for bad in ({"length": -1}, {"chunk": 0}, {"stop": [""]}, {"top_p": 2.0}, {"seed": -1}):
        with pytest.raises(OptionError):
            draw("the", **{"seed": 1, **bad})
    with pytest.raises(UnknownCharacterError):
        draw("漢", seed=1)


def test_bad_length_of_adraw(lm: CharLM) -> None:
    async def main() -> None:
        stream = lm.pool().open("the", seed=1)
        for bad in (-1, 1.5, True):
            with pytest.raises(OptionError, match="length"):
                await stream.adraw(bad)  # type: ignore[arg-type]
        assert await stream.adraw(0) == ""

    asyncio.run(main())


# --- threads --------------------------------------------------------------------------


def test_tasks_and_threads_share_a_pool(lm: CharLM) -> None:
    texts = expected(lm)
    pool = lm.pool()

    def in_thread(seed: int) -> str:
        return "".join(pool.stream("the", seed=seed, length=LENGTH))

    async def main() -> list[str]:
        loop = asyncio.get_running_loop()
        work: list[Coroutine[Any, Any, str] | asyncio.Future[str]] = []
        with ThreadPoolExecutor(6) as threads:
            for seed in range(CLIENTS):
                if seed % 2:
                    work.append(loop.run_in_executor(threads, in_thread, seed))
                else:
                    work.append(joined(pool.astream("the", seed=seed, length=LENGTH)))
            return await asyncio.gather(*work)

    assert asyncio.run(main()) == texts
    assert len(pool) == 0


def test_event_loop_does_not_wait(lm: CharLM, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = lm._stepper.draw

    def slow(*arguments: Any) -> Any:
        time.sleep(0.05)
        return draw(*arguments)

    monkeypatch.setattr(lm._stepper, "draw", slow)

    async def main() -> int:
        with lm.pool() as pool:
            task = asyncio.create_task(pool.open("the", seed=1).adraw(64))
            turns = 0
            while not task.done():
                await asyncio.sleep(0.001)
                turns += 1
            return turns

    assert asyncio.run(main()) > 10


def test_thread_ends_with_its_pool(lm: CharLM) -> None:
    def running() -> set[threading.Thread]:
        gc.collect()
        return {each for each in threading.enumerate() if each.name == "rnn_infer batches"}

    def new_thread(pool: StreamPool) -> threading.Thread:
        before = running()
        asyncio.run(joined(pool.astream("the", seed=1, length=5)))
        (thread,) = running() - before
        return thread

    closed, forgotten = lm.pool(), lm.pool()
    one, other = new_thread(closed), new_thread(forgotten)
    closed.close()
    one.join(timeout=10)
    assert not one.is_alive()
    assert other.is_alive()
    del forgotten
    gc.collect()
    other.join(timeout=10)
    assert not other.is_alive()


def test_program_ends_while_a_stream_draws(data: Path) -> None:
    code = f"""
import asyncio, rnn_infer
pool = rnn_infer.CharLM.load({str(data / "charlm.onnx")!r}, device="cpu").pool()
async def main():
    asyncio.create_task(pool.open("the", seed=1).adraw(10**8))
    await asyncio.sleep(0.1)
asyncio.run(main())
print("end")
"""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "end\n", "")
