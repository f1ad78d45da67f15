"""Text for 32 clients of the example server: characters a second of all clients together.

    python -m benchmarks.server [--quick]

`examples/server.py` runs with uvicorn in a process of its own. The clients are in this process:
plain sockets, so that they take little of the two cores. Beside it, in this process and without
HTTP: the batch that a program without clients would draw (`CharLM.generate`), and tasks that use
`asyncio.to_thread(stream.draw, n)`. All draw the same texts, which is checked.
"""

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import rnn_infer
from rnn_infer import CharLM

from .asyncio_streams import CLIENTS, LENGTH, PROMPT, drawing, in_thread, served
from .harness import Race, Work, race, write

ROOT = Path(__file__).parents[1]
EXPORTED = ROOT / "exported"
MODELS = ("charlm", "charlm.int8")
PIECE = 32
BATCH, EVENTS, WHOLE, THREADS = (
    "one batch, no clients",
    "server, events",
    "server, whole texts",
    "asyncio.to_thread(stream.draw), no server",
)


@contextmanager
def server(model: Path) -> Iterator[int]:
    """The example server in a process; its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    classifier = EXPORTED / "classifier.onnx"
    command = [sys.executable, "examples/server.py", str(model), str(classifier), str(port)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        while "running on" not in (line := process.stderr.readline()):
            if not line:
                raise RuntimeError("the server does not start")
        try:
            yield port
        finally:
            process.terminate()


async def client(port: int, seed: int, stream: bool) -> str:
    """One request on a connection of its own; its text."""
    given = {"prompt": PROMPT, "max_tokens": LENGTH, "temperature": 0.8, "seed": seed}
    body = json.dumps(given | {"stream": stream}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"POST /v1/completions HTTP/1.0\r\nConnection: close\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    )
    answer = (await reader.read(-1)).decode()
    writer.close()
    _, _, content = answer.partition("\r\n\r\n")
    events = content.split("\n\n") if stream else [content]
    parts = [each.removeprefix("data: ") for each in events if each and "[DONE]" not in each]
    return "".join(json.loads(each)["choices"][0]["text"] for each in parts)


def through(port: int, stream: bool, expected: list[str]) -> Work:
    """Rounds of all clients."""

    async def rounds(count: int) -> None:
        for _ in range(count):
            texts = await asyncio.gather(*(client(port, seed, stream) for seed in range(CLIENTS)))
            if texts != expected:
                raise ValueError("a client got another text than alone")

    return lambda count: asyncio.run(rounds(count))


def contestants(lm: CharLM, port: int) -> dict[str, Work]:
    """Everybody, on one model."""
    prompts = [PROMPT] * CLIENTS
    expected = lm.generate(prompts, length=LENGTH, seed=0)

    def batch(count: int) -> None:
        for _ in range(count):
            lm.generate(prompts, length=LENGTH, seed=0)

    return {
        BATCH: batch,
        EVENTS: through(port, True, expected),
        WHOLE: through(port, False, expected),
        THREADS: served(lm, drawing(in_thread, PIECE), expected),
    }


def main() -> None:
    """All races; `--quick` the last, for a look."""
    quick = "--quick" in sys.argv
    races: list[Race] = []
    for name in MODELS[-1:] if quick else MODELS:
        path = EXPORTED / f"{name}.onnx"
        lm = rnn_infer.CharLM.load(path, device="cpu")
        with server(path) as port:
            unit = f"{LENGTH} characters of {CLIENTS} clients"
            found = race(name, unit, contestants(lm, port), rounds=3 if quick else 9)
        races.append(found)
        print(found.name)
        for contestant in found.samples:
            rate = CLIENTS * LENGTH / found.typical(contestant)
            print(
                f"  {contestant:42} {rate:8,.0f} characters/s"
                f"   {found.ratio(contestant, BATCH):.2f} × the batch"
                f"   {found.ratio(contestant, THREADS):.2f} × the recipe"
            )
    if not quick:
        write("server", races, clients=CLIENTS, length=LENGTH, piece=PIECE)


if __name__ == "__main__":
    main()
