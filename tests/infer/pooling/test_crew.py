"""The crew: shares of a batch, errors, and the same texts on any number of threads."""

import asyncio
import gc
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from rnn_infer import CharLM, OptionError
from rnn_infer.pooling.crew import LEAST_SHARE, Crew


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("count", [1, LEAST_SHARE, 2 * LEAST_SHARE, 50])
def test_shares_are_even_and_not_too_small(threads: int, count: int) -> None:
    shares = Crew(threads).shares(list(range(count)))
    assert sorted(each for share in shares for each in share) == list(range(count))
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= 1
    assert len(shares) == min(threads, max(1, count // LEAST_SHARE))


def test_works_run_at_the_same_time() -> None:
    together = threading.Barrier(3)
    Crew(3).run([lambda: together.wait(timeout=20)] * 3)


@pytest.mark.parametrize("wrong", [0, 1, 2])
def test_error_comes_after_all_works(wrong: int) -> None:
    done: list[int] = []

    def work(number: int) -> None:
        if number == wrong:
            raise MemoryError
        time.sleep(0.02)
        done.append(number)

    with pytest.raises(MemoryError):
        Crew(3).run([lambda each=each: work(each) for each in range(3)])  # type: ignore[misc]
    assert sorted(done) == [each for each in range(3) if each != wrong]


@pytest.mark.parametrize("begun", [False, True])
def test_work_that_was_queued_before_its_thread_failed_is_done_once(
    monkeypatch: pytest.MonkeyPatch, begun: bool
) -> None:
    """`submit` queues the work, then starts a thread: if that fails, another one may have it."""
    crew, done, queued = Crew(3), list[int](), list[Any]()

    def submit(function: Any, *arguments: Any) -> None:
        if begun:
            function(*arguments)
        else:
            queued.append((function, arguments))
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(crew._workers(), "submit", submit)
    crew.run([lambda: done.append(0), lambda: done.append(1)])
    for function, arguments in queued:
        function(*arguments)
    assert sorted(done) == [0, 1]

    def fail() -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        crew.run([lambda: done.append(2), fail])
    assert done[-1] == 2, "the other works are done first"


@pytest.mark.parametrize("bad", [0, -1, 1.5, True, "2"])
def test_bad_threads(lm: CharLM, bad: Any) -> None:
    with pytest.raises(OptionError, match="threads must be 1 or more"):
        lm.pool(threads=bad)


def test_texts_do_not_depend_on_the_threads(lm: CharLM) -> None:
    expected = lm.generate(["the"] * 30, length=90, seed=0)
    with lm.pool(threads=3) as pool:
        streams = [pool.open("the", seed=seed) for seed in range(30)]
        first, second = pool.tick(40), pool.tick(50)
        assert [first[each] + second[each] for each in streams] == expected

        async def text(seed: int) -> str:
            pieces = pool.astream("the", seed=seed, length=90, chunk=4 + seed)
            return "".join([piece async for piece in pieces])

        async def main() -> list[str]:
            return await asyncio.gather(*map(text, range(30)))

        assert asyncio.run(main()) == expected


def test_share_that_fails_takes_nothing_from_any_stream(
    lm: CharLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = lm.generate(["the"] * 9, length=60, seed=0)
    draw, calls = lm._stepper.draw, []

    def second_fails(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 2:
            raise MemoryError
        return draw(*arguments)

    with lm.pool(threads=2) as pool:
        streams = [pool.open("the", seed=seed) for seed in range(9)]
        with monkeypatch.context() as patch:
            patch.setattr(lm._stepper, "draw", second_fails)
            with pytest.raises(MemoryError):
                pool.tick(60)
        texts = pool.tick(60)
        assert [texts[each] for each in streams] == expected


def test_threads_end_with_their_pool(lm: CharLM) -> None:
    def running() -> set[threading.Thread]:
        gc.collect()
        return {each for each in threading.enumerate() if each.name.startswith("rnn_infer tick")}

    before, pool = running(), lm.pool(threads=2)
    for seed in range(2 * LEAST_SHARE):
        pool.open("the", seed=seed)
    pool.tick(5)
    (thread,) = running() - before
    pool.close()
    thread.join(timeout=20)
    assert not thread.is_alive()
    for seed in range(2 * LEAST_SHARE):
        pool.open("the", seed=seed)
    assert set(pool.tick(5).values()) == set(lm.generate(["the"] * 8, length=5, seed=0))
    (thread,) = running() - before
    del pool
    gc.collect()
    thread.join(timeout=20)
    assert not thread.is_alive()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_forked_child_starts_threads_of_its_own() -> None:
    crew, done = Crew(2), [0]
    crew.run([lambda: None] * 2)
    child = os.fork()
    if child == 0:
        crew.run([lambda: done.append(1)] * 2)
        os._exit(sum(done))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2


def test_program_ends_while_shares_are_drawn(data: Path) -> None:
    code = f"""
import asyncio, rnn_infer
pool = rnn_infer.CharLM.load({str(data / "charlm.onnx")!r}, device="cpu").pool(threads=2)
async def main():
    for seed in range(16):
        asyncio.create_task(pool.open("the", seed=seed).adraw(10**8))
        await asyncio.sleep(0)
    await asyncio.sleep(0.1)
asyncio.run(main())
print("end")
"""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "end\n", "")
