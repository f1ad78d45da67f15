"""Text for many asyncio clients at once: characters a second of all clients together.

    python -m benchmarks.asyncio_streams [--quick]

32 clients draw 384 characters each from one pool, in pieces, in one event loop. Contestants: the
batch that a program without clients would draw (`CharLM.generate`), `StreamPool.astream`,
`PoolStream.adraw`, and the recipe without them, `asyncio.to_thread(stream.draw, n)`. All draw the
same texts, which is checked.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import rnn_infer
from rnn_infer import CharLM, PoolStream, StreamPool

from .harness import Race, Work, race, write

EXPORTED = Path(__file__).parents[1] / "exported"
CLIENTS, LENGTH = 32, 384
PROMPT = "ROMEO:"
RACES = (("charlm", 32), ("charlm.int8", 32), ("charlm.int8", 8))
"""Models, and characters per piece."""
BATCH, ASTREAM, ADRAW, THREADS, EXECUTOR = (
    "one batch, no clients",
    "astream",
    "adraw",
    "asyncio.to_thread(stream.draw)",
    f"{CLIENTS} threads of an executor",
)
Client = Callable[[StreamPool, int], Awaitable[str]]


def streaming(piece: int) -> Client:
    """A client of `StreamPool.astream`."""

    async def client(pool: StreamPool, seed: int) -> str:
        pieces = pool.astream(PROMPT, seed=seed, length=LENGTH, chunk=piece)
        return "".join([each async for each in pieces])

    return client


def drawing(draw: Callable[[PoolStream, int], Awaitable[str]], piece: int) -> Client:
    """A client that opens a stream and draws its pieces with `draw`."""

    async def client(pool: StreamPool, seed: int) -> str:
        with pool.open(PROMPT, seed=seed) as stream:
            return "".join([await draw(stream, piece) for _ in range(LENGTH // piece)])

    return client


def served(lm: CharLM, client: Client, expected: list[str]) -> Work:
    """Rounds of all clients, in an event loop."""

    async def serve(count: int) -> None:
        with lm.pool() as pool:
            for _ in range(count):
                texts = await asyncio.gather(*(client(pool, seed) for seed in range(CLIENTS)))
                if texts != expected:
                    raise ValueError("a client drew another text than alone")

    return lambda count: asyncio.run(serve(count))


async def in_thread(stream: PoolStream, length: int) -> str:
    """The recipe: the threads of the event loop's own executor, of which there are few."""
    return await asyncio.to_thread(stream.draw, length)


def contestants(lm: CharLM, piece: int) -> dict[str, Work]:
    """Everybody, on one model."""
    prompts = [PROMPT] * CLIENTS
    expected = lm.generate(prompts, length=LENGTH, seed=0)
    executor = ThreadPoolExecutor(CLIENTS)

    async def in_executor(stream: PoolStream, length: int) -> str:
        return await asyncio.get_running_loop().run_in_executor(executor, stream.draw, length)

    def batch(count: int) -> None:
        for _ in range(count):
            lm.generate(prompts, length=LENGTH, seed=0)

    clients: dict[str, Client] = {
        ASTREAM: streaming(piece),
        ADRAW: drawing(PoolStream.adraw, piece),
        THREADS: drawing(in_thread, piece),
        EXECUTOR: drawing(in_executor, piece),
    }
    works = {name: served(lm, client, expected) for name, client in clients.items()}
    return {BATCH: batch, **works}


def main() -> None:
    """All races; `--quick` the last, for a look."""
    quick = "--quick" in sys.argv
    races: list[Race] = []
    for name, piece in RACES[-1:] if quick else RACES:
        lm = rnn_infer.CharLM.load(EXPORTED / f"{name}.onnx", device="cpu")
        found = race(
            f"{name}; pieces of {piece}",
            "384 characters of 32 clients",
            contestants(lm, piece),
            rounds=3 if quick else 7,
        )
        races.append(found)
        print(found.name)
        for contestant in found.samples:
            rate = CLIENTS * LENGTH / found.typical(contestant)
            share = found.ratio(contestant, BATCH)
            recipe = found.ratio(contestant, THREADS)
            print(
                f"  {contestant:32} {rate:8,.0f} characters/s   {share:.2f} × the batch"
                f"   {recipe:.2f} × the recipe"
            )
    if not quick:
        write("asyncio_streams", races, clients=CLIENTS, length=LENGTH)


if __name__ == "__main__":
    main()
