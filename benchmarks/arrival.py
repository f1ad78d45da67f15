"""Requests that arrive at random, on one pool: rates, waiting times, fairness and memory.

    python -m benchmarks.arrival [--quick]

400 sequences arrive as a Poisson process. Their lengths are exponential, their prompts of random
lengths. Three servers in turn, each in a process of its own: tasks that share a `StreamPool`
(`astream`), one thread for each sequence (`CharLM.stream`), and tasks that call `CharLM.generate`
under a lock, where the first piece is the whole text. All draw the same texts, which is checked.

First all sequences come at once, which measures what each server can do. The offered loads are
shares of what the pool can do.
"""

import asyncio
import hashlib
import multiprocessing
import random
import resource
import statistics
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import rnn_infer
from rnn_infer import CharLM, StreamPool

from .harness import write

MODEL = Path(__file__).parents[1] / "exported" / "charlm.int8.onnx"
SEQUENCES, MEAN, LONGEST, PIECE = 400, 300, 1200, 32
LOADS = (0.25, 0.5, 0.75, 1.0, 1.25)
POOL, NARROW = "one pool, two threads", "one pool, one thread"
THREADS, LOCK = "a thread a stream", "generate under a lock"
OTHERS_LOADS = (0.5, 1.0)
"""The others can do less than the pool, and more would only be a longer line."""


class Sequence(NamedTuple):
    """One request."""

    arrival: float
    """Seconds after the start."""
    prompt: str
    length: int
    seed: int


@dataclass
class Served:
    """What one request got, and when, in seconds after its arrival."""

    text: str = ""
    times: list[float] = field(default_factory=list)

    def add(self, piece: str, since: float) -> None:
        """A piece has come, for a request that arrived at `since`."""
        self.text += piece
        self.times.append(time.perf_counter() - since)


def sequences(lm: CharLM, count: int) -> list[Sequence]:
    """The requests, the same in all runs, with gaps of one second on average."""
    chance, text = random.Random(24), lm.generate("", length=5000, seed=24)
    found, at = [], 0.0
    for seed in range(count):
        at += chance.expovariate(1)
        length = min(LONGEST, 1 + int(chance.expovariate(1 / MEAN)))
        begin, size = chance.randrange(4800), chance.randint(1, 128)
        found.append(Sequence(at, text[begin : begin + size], length, seed))
    return found


# --- servers --------------------------------------------------------------------------

Ticks = list[tuple[int, int]]
"""For each tick of a pool the streams that take part, and those that are open."""
Serve = Callable[[CharLM, list[Sequence], list[Served], Ticks], None]


def _tasks(
    requests: list[Sequence],
    served: list[Served],
    client: Callable[[Sequence, Served, float], Coroutine[Any, Any, None]],
) -> Coroutine[Any, Any, None]:
    async def arrivals() -> None:
        started = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for request, result in zip(requests, served, strict=True):
                since = started + request.arrival
                await asyncio.sleep(max(0, since - time.perf_counter()))
                group.create_task(client(request, result, since))

    return arrivals()


def one_pool(
    threads: int, lm: CharLM, requests: list[Sequence], served: list[Served], ticks: Ticks
) -> None:
    """Tasks that share the batches of a pool."""
    with lm.pool(threads=threads) as pool:
        _watched(pool, ticks)

        async def client(request: Sequence, result: Served, since: float) -> None:
            options: Any = {"seed": request.seed, "length": request.length, "chunk": PIECE}
            async for piece in pool.astream(request.prompt, **options):
                result.add(piece, since)

        asyncio.run(_tasks(requests, served, client))


def under_a_lock(lm: CharLM, requests: list[Sequence], served: list[Served], _: Ticks) -> None:
    """Tasks that draw one text after the other, in a thread, so that the event loop goes on."""
    lock = asyncio.Lock()

    def draw(request: Sequence) -> str:
        return lm.generate(request.prompt, seed=request.seed, length=request.length)

    async def client(request: Sequence, result: Served, since: float) -> None:
        async with lock:
            text = await asyncio.to_thread(draw, request)
        result.add(text, since)

    asyncio.run(_tasks(requests, served, client))


def a_thread_a_stream(lm: CharLM, requests: list[Sequence], served: list[Served], _: Ticks) -> None:
    """A thread for each request."""

    def client(request: Sequence, result: Served, since: float) -> None:
        options: Any = {"seed": request.seed, "length": request.length, "chunk": PIECE}
        for piece in lm.stream(request.prompt, **options):
            result.add(piece, since)

    started, threads = time.perf_counter(), []
    for request, result in zip(requests, served, strict=True):
        since = started + request.arrival
        time.sleep(max(0, since - time.perf_counter()))
        threads.append(threading.Thread(target=client, args=(request, result, since)))
        threads[-1].start()
    for thread in threads:
        thread.join()


SERVERS: dict[str, Serve] = {
    POOL: partial(one_pool, 2),
    NARROW: partial(one_pool, 1),
    THREADS: a_thread_a_stream,
    LOCK: under_a_lock,
}


# --- measuring ------------------------------------------------------------------------


def measure(server: str, count: int, rate: float | None) -> dict[str, Any]:
    """Run a server on all sequences, in this process.

    Args:
        rate: characters offered a second. None: all sequences come at once.
    """
    lm = rnn_infer.CharLM.load(MODEL, device="cpu")
    requests, ticks = sequences(lm, count), Ticks()
    characters = sum(each.length for each in requests)
    scale = characters / (rate * requests[-1].arrival) if rate else 0.0
    requests = [each._replace(arrival=each.arrival * scale) for each in requests]
    lm.generate(["warm"] * 8, length=64, seed=0)
    served = [Served() for _ in requests]
    memory, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    SERVERS[server](lm, requests, served, ticks)
    seconds = time.perf_counter() - started
    texts = "\0".join(each.text for each in served)
    return {
        "server": server,
        "characters_per_second": characters / seconds,
        "seconds": seconds,
        "offered": rate,
        "open_streams": sum(each.times[-1] for each in served) / seconds,
        "rows_of_a_batch": sum(rows for rows, _ in ticks) / len(ticks) if ticks else 1.0,
        "batch_fill": sum(rows for rows, _ in ticks) / sum(n for _, n in ticks) if ticks else None,
        "first_piece": _quantiles([each.times[0] for each in served]),
        "next_piece": _quantiles(_gaps(served)),
        "worst_rate_to_median": _fairness(served, requests),
        "more_memory_megabytes": _grown(memory),
        "texts": hashlib.sha256(texts.encode()).hexdigest(),
    }


def _watched(pool: StreamPool, ticks: Ticks) -> None:
    crew = pool._batch._crew
    shares = crew.shares

    def watched(streams: Any) -> Any:
        ticks.append((len(streams), len(pool)))
        return shares(streams)

    crew.shares = watched  # type: ignore[assignment, method-assign]


def _gaps(served: list[Served]) -> list[float]:
    return [b - a for each in served for a, b in zip(each.times, each.times[1:], strict=False)]


def _quantiles(seconds: list[float]) -> dict[str, float] | None:
    """The median, the 99th of a hundred and the longest, in milliseconds."""
    if len(seconds) < 2:
        return None
    cuts = statistics.quantiles(seconds, n=100)
    return {"p50": 1e3 * cuts[49], "p99": 1e3 * cuts[98], "longest": 1e3 * max(seconds)}


def _fairness(served: list[Served], requests: list[Sequence]) -> float:
    """Characters a second, from arrival to end, of the worst request ÷ those of the median.

    Of requests of some pieces: a shorter one waits for its first piece and has no rate.
    """
    rates = [
        request.length / each.times[-1]
        for request, each in zip(requests, served, strict=True)
        if request.length >= 4 * PIECE
    ]
    return min(rates) / statistics.median(rates)


def _grown(before: int) -> float:
    unit = 1 if sys.platform == "darwin" else 1024
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit / 1e6


def main() -> None:
    """All servers and loads; `--quick` with a quarter of the sequences, for a look."""
    quick = "--quick" in sys.argv
    count = SEQUENCES // 4 if quick else SEQUENCES
    runs: list[dict[str, Any]] = []

    def run(server: str, load: float | None) -> dict[str, Any]:
        rate = None if load is None else load * runs[0]["characters_per_second"]
        with multiprocessing.get_context("spawn").Pool(1) as process:
            found = process.apply(measure, (server, count, rate)) | {"load": load}
        runs.append(found)
        first, following = found["first_piece"], found["next_piece"]
        print(
            f"{server:23} load {load or 'all at once':<12} {found['characters_per_second']:8,.0f} "
            f"characters/s, first piece {first['p50']:6,.0f} and {first['p99']:6,.0f} ms"
            + (f", next {following['p50']:4,.0f} and {following['p99']:4,.0f}" if following else "")
            + f", worst {found['worst_rate_to_median']:.2f}, {found['rows_of_a_batch']:.1f} rows of"
            f" {found['open_streams']:.1f}, {found['more_memory_megabytes']:.0f} MB"
        )
        return found

    for server in SERVERS:
        run(server, None)
    for load in LOADS:
        run(POOL, load)
    for load in OTHERS_LOADS:
        for server in (THREADS, LOCK):
            run(server, load)
    if len({each.pop("texts") for each in runs}) > 1:
        raise ValueError("two servers drew different texts")
    if not quick:
        write("arrival", [], sequences=count, mean_length=MEAN, piece=PIECE, runs=runs)


if __name__ == "__main__":
    main()
